"""Rotations made for data, against dense matrices, and what they do to outliers."""

import numpy as np
import pytest

import fasttx
from fasttx.quantize import (
    NVFP4,
    BlockRotation,
    Codes,
    GroupedHeadRotation,
    KLTHadamard,
    KroneckerRotation,
    OutlierExtract,
    TurboQuant,
    choose_rotation,
    fake_quantize,
)

D = 96


def rows(n=200, d=D, seed=0, large=(3, 50)):
    x = np.random.default_rng(seed).standard_normal((n, d))
    x[:, list(large)] *= 25
    return x


MADE = {
    "klt": lambda: KLTHadamard(rows()),
    "blocks": lambda: BlockRotation(rows(), 32, rng=0),
    "kronecker": lambda: KroneckerRotation.random(8, 12, rng=0),
    "heads": lambda: GroupedHeadRotation(rows(), 8, 4),
    "heads-blocks": lambda: GroupedHeadRotation(rows(), 4, 2, 12),
}


@pytest.fixture(params=MADE)
def rotation(request):
    return MADE[request.param]()


class TestAll:
    def test_orthogonal(self, rotation):
        matrix = rotation.matrix()
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(D), atol=1e-12)
        x = rows(seed=1)
        np.testing.assert_allclose(rotation(x), x @ matrix.T, atol=1e-11)
        np.testing.assert_allclose(rotation.inverse(x), x @ matrix, atol=1e-11)
        np.testing.assert_allclose(rotation.inverse(rotation(x)), x, atol=1e-11)

    def test_arrays_of_any_kind(self, rotation):
        x = rows(seed=1)
        y = rotation(x)
        assert rotation(x.astype(np.float32)).dtype == np.float32
        np.testing.assert_allclose(rotation(x.astype(np.float32)), y, atol=1e-3)
        np.testing.assert_allclose(rotation(np.asfortranarray(x)), y, atol=1e-11)
        np.testing.assert_allclose(rotation(x[0]), y[0], atol=1e-11)
        np.testing.assert_allclose(rotation(x.reshape(2, 100, D)), y.reshape(2, 100, D), atol=1e-11)
        assert rotation(x[:0]).shape == (0, D)
        before = x.copy()
        rotation(x)
        assert np.array_equal(x, before)
        assert np.shares_memory(rotation(x, overwrite_x=True), x)
        np.testing.assert_allclose(x, y, atol=1e-11)
        np.testing.assert_allclose(rotation.inverse(x, overwrite_y=True), before, atol=1e-11)

    def test_kept_with_codes(self, rotation):
        codes = TurboQuant(D, 3, rotation=rotation).encode(rows(5))
        back = Codes.from_bytes(codes.to_bytes())
        assert type(back.codec.rotation) is type(rotation)
        np.testing.assert_allclose(back.codec.rotation.matrix(), rotation.matrix(), atol=1e-14)
        np.testing.assert_allclose(back.decode(), codes.decode(), atol=1e-5)

    def test_folded_weights(self, rotation):
        x, weights = rows(seed=2), rows(7, seed=3)
        np.testing.assert_allclose(
            rotation(x) @ rotation.fold_into(weights).T, x @ weights.T, atol=1e-9
        )

    def test_outliers_are_spread(self, rotation):
        if isinstance(rotation, KroneckerRotation):
            pytest.skip("made without the rows")
        x = rows()
        assert np.abs(rotation(x)).max() < 0.6 * np.abs(x).max()


class TestKLT:
    @pytest.mark.parametrize("d", [4, 12, 64, 96])
    def test_equal_second_moments(self, d):
        x = rows(300, d, large=(1,)) * np.linspace(0.1, 3, d)
        moments = np.square(KLTHadamard(x)(x)).sum(0)
        np.testing.assert_allclose(moments, np.square(x).sum() / d, rtol=1e-10)

    def test_fewer_rows_than_channels(self):
        x = rows(5)
        moments = np.square(KLTHadamard(x)(x)).sum(0)
        np.testing.assert_allclose(moments, moments.mean(), rtol=1e-10)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="next supported length"):
            KLTHadamard(np.ones((5, 6)))
        with pytest.raises(ValueError, match=r"X must have shape \(n, d\)"):
            KLTHadamard(np.ones(8))
        with pytest.raises(ValueError, match="NaN or infinity"):
            KLTHadamard(np.full((4, 8), np.nan))


class TestKronecker:
    def test_is_numpys(self):
        rotation = KroneckerRotation.random(3, 5, rng=1)
        np.testing.assert_allclose(rotation.matrix(), np.kron(rotation.P1, rotation.P2), atol=1e-14)

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"P2 must be orthogonal; P2 @ P2\.T is off by 3"):
            KroneckerRotation(np.eye(3), 2 * np.eye(3))
        with pytest.raises(ValueError, match="square"):
            KroneckerRotation(np.ones((2, 3)), np.eye(2))
        with pytest.raises(ValueError, match="d must be at least 1"):
            KroneckerRotation.random(0, 3)


class TestBlocks:
    def test_block_diagonal(self):
        matrix = BlockRotation(rows(), 16, rng=0).matrix()
        inside = np.kron(np.eye(6), np.ones((16, 16))) > 0
        assert not matrix[~inside].any()

    def test_never_worse_than_none(self):
        x = rows()
        for steps in (0, 1, 20):
            rotation = BlockRotation(x, 32, steps, rng=0)
            after = np.abs(rotation(x)).reshape(len(x), 3, 32).max((0, 2))
            before = np.abs(x).reshape(len(x), 3, 32).max((0, 2))
            assert np.all(after <= before * (1 + 1e-12))
        assert np.array_equal(BlockRotation(x, 32, 0).matrix(), np.eye(D))

    def test_helps_its_format(self):
        x = rows(large=(1, 40, 90))
        plain = np.square(fake_quantize(x, "MXFP4") - x).sum()
        rotation = BlockRotation(x, 32, rng=0)
        rotated = rotation(x)
        assert np.square(fake_quantize(rotated, "MXFP4") - rotated).sum() < 0.7 * plain

    def test_bad_input(self):
        with pytest.raises(ValueError, match="block must divide d = 96; got 36"):
            BlockRotation(rows(), 36)


class TestHeads:
    def test_order_shares_outliers(self):
        # Eight outliers in one head of a group of four heads: two for each block.
        x = rows(d=64, large=())
        x[:, :8] *= 30
        rotation = GroupedHeadRotation(x, 4, 4, 16)
        assert np.array_equal(np.sort(rotation.order), np.arange(64))
        assert [np.sum(part < 8) for part in rotation.order.reshape(4, 16)] == [2, 2, 2, 2]
        same = np.abs(fasttx.hadamard(16)) / 4
        dense = np.zeros((64, 64))
        for b, part in enumerate(rotation.order.reshape(4, 16)):
            dense[b * 16 : (b + 1) * 16, part] = same
        np.testing.assert_allclose(np.abs(rotation.matrix()), dense, atol=1e-14)

    def test_groups_do_not_mix(self):
        matrix = GroupedHeadRotation(rows(), 8, 4).matrix()
        assert not matrix[:48, 48:].any()
        assert not matrix[48:, :48].any()

    def test_sinks_are_exact(self):
        x = rows().astype(np.float32)
        rotation = GroupedHeadRotation(x, 8, 4, sinks=3)
        left = rotation.fake_quantize(x, "INT4")
        assert np.array_equal(left[:3], x[:3])
        assert not np.array_equal(left[3], x[3])
        error = np.linalg.norm(left[3:] - x[3:])
        assert error < np.linalg.norm(fake_quantize(x[3:], "INT4") - x[3:])

    def test_bad_input(self):
        for heads, group in ((7, 1), (8, 3)):
            with pytest.raises(ValueError, match="must be a multiple"):
                GroupedHeadRotation(rows(), heads, group)
        with pytest.raises(ValueError, match="block must divide a group's 48 channels; got 20"):
            GroupedHeadRotation(rows(), 8, 4, 20)
        with pytest.raises(ValueError, match="next supported length"):
            GroupedHeadRotation(rows(), 8, 4, 6)


class TestOutliers:
    def test_patterns(self):
        x = rows(large=())
        extract = OutlierExtract(rng=0)
        assert extract.pattern(x) == "none"
        assert extract.pattern(rows()) == "column"
        assert extract.pattern(rows().T) == "row"
        assert extract.pattern(np.zeros((3, 4))) == "none"
        sparse = np.zeros((30, 40))
        sparse[3] = 1
        assert extract.pattern(sparse) == "none"  # of the rows that are not zero none is larger

    def test_split(self):
        x = rows(large=())
        x[[4, 9]] *= 40
        found = OutlierExtract(rng=0).split(x)
        assert found.pattern == "row"
        assert np.array_equal(found.kept, [4, 9])
        assert np.array_equal(found.exact, x[[4, 9]])
        whole = found.rest.copy()
        whole[found.kept] = found.exact
        assert np.array_equal(whole, x)
        assert OutlierExtract(1, rng=0).split(x).kept.size == 1
        columns = OutlierExtract(columns=True, rng=0).split(x.T)
        assert columns.pattern == "column"
        assert np.array_equal(columns.exact, x.T[:, [4, 9]])
        assert not OutlierExtract(rng=0).split(x.T).kept.size

    @pytest.mark.parametrize("left", ["row", "column", "none"])
    @pytest.mark.parametrize("right", ["row", "column", "none"])
    @pytest.mark.parametrize("columns", [False, True])
    def test_products(self, left, right, columns):
        matrices = []
        for seed, pattern in enumerate((left, right)):
            x = rows(128, 128, seed, large=())
            if pattern == "row":
                x[7] *= 50
            if pattern == "column":
                x[:, 9] *= 50
            matrices.append(x)
        A, B = matrices
        extract = OutlierExtract(columns=columns, rng=0)
        assert (extract.pattern(A), extract.pattern(B)) == (left, right)
        product, exact = extract.matmul(A, B, "MXFP4"), A @ B.T
        plain = fake_quantize(A, "MXFP4").astype(float) @ fake_quantize(B, "MXFP4").T
        # Both factors carry relative errors of about 0.11.
        assert np.linalg.norm(product - exact) < 0.2 * np.linalg.norm(exact)
        if "row" in (left, right):
            assert np.linalg.norm(product - exact) < np.linalg.norm(plain - exact)
        if left == "row":
            np.testing.assert_allclose(product[7], exact[7], rtol=1e-12)
        if right == "row":
            np.testing.assert_allclose(product[:, 7], exact[:, 7], rtol=1e-12)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="threshold"):
            OutlierExtract(threshold=0.5)
        with pytest.raises(ValueError, match="rows of one length"):
            OutlierExtract().matmul(rows(), rows(d=64, large=()), "MXFP4")


class TestChoice:
    def test_ranked(self):
        x = rows(256, 128, large=(0, 40, 80, 120))
        choice = choose_rotation(x, "MXFP4", rng=0)
        ratios = [score.sqnr for score in choice]
        assert ratios == sorted(ratios, reverse=True)
        names = [score.name for score in choice]
        assert len(set(names)) == len(names) == len(choice) == 7
        for score in choice:
            y = score.rotation(x)
            error = np.square(fake_quantize(y, "MXFP4") - y).sum()
            assert score.sqnr == pytest.approx(10 * np.log10(np.square(x).sum() / error))
        assert choice.best is choice[0].rotation

    def test_depends_on_the_format(self):
        x = rows(512, 256, large=range(0, 256, 40))
        mx, nv = (
            {s.name: s.sqnr for s in choose_rotation(x, fmt, rng=0)} for fmt in ("MXFP4", "NVFP4")
        )
        assert mx["Hadamard"] > mx["identity"] + 2
        assert nv["Hadamard"] < nv["identity"] - 1

    def test_utilization_is_largest_for_equal_variances(self):
        x = rows(2000, 64)
        found = {s.name: s.log_qsur for s in choose_rotation(x, "MXFP4", rng=0)}
        assert max(found, key=found.get) == "KLT and Hadamard"
        assert min(found, key=found.get) == "identity"
        # A ball in its cube, and the volumes of the axes.
        values = np.linalg.eigvalsh(np.cov(x.T))
        ball = 32 * np.log(np.pi) - 81.55795945611504 - 64 * np.log(2)  # log(32!)
        wanted = (ball + np.log(values).sum() / 2 - 32 * np.log(values.mean())) / 64
        assert found["KLT and Hadamard"] == pytest.approx(wanted, abs=5e-3)

    def test_with_weights(self):
        x, weights = rows(256, 128), rows(32, 128, 1, large=())
        choice = choose_rotation(x, NVFP4(), weights, rng=0)
        errors = [score.matmul_error for score in choice]
        assert errors == sorted(errors)
        first = choice[0]
        folded = fake_quantize(first.rotation.fold_into(weights), NVFP4())
        product = fake_quantize(first.rotation(x), NVFP4()).astype(float) @ folded.T
        exact = x @ weights.T
        wanted = np.linalg.norm(product - exact) / np.linalg.norm(exact)
        assert first.matmul_error == pytest.approx(wanted)
        assert "matmul error" in repr(choice)
        assert choice._repr_html_().count("<tr>") == len(choice) + 1

    def test_lengths_without_a_hadamard_matrix(self):
        names = [s.name for s in choose_rotation(rows(50, 30, large=()), "MXFP4", rng=0)]
        assert sorted(names) == ["Hadamard", "Kronecker 5 x 6", "identity"]
        names = [s.name for s in choose_rotation(rows(50, 7, large=()), "INT4", rng=0)]
        assert sorted(names) == ["Hadamard", "identity"]

    def test_plot(self):
        pyplot = pytest.importorskip("matplotlib.pyplot")
        pyplot.switch_backend("agg")
        choice = choose_rotation(rows(), "MXFP4", rng=0)
        ax = choice.plot()
        assert len(ax.patches) == len(choice)
        assert ax.get_title() == "MXFP4"
        pyplot.close("all")

    def test_bad_input(self):
        with pytest.raises(ValueError, match="fmt must be a format"):
            choose_rotation(rows(), "FP5")
        with pytest.raises(ValueError, match=r"X must have shape \(n, 96\)"):
            choose_rotation(rows(), "MXFP4", np.ones((4, 90)))
