"""What the compiler makes of the transform kernels, for two generations of devices."""

import re
import shutil
import subprocess

import pytest

SIZES = [("fwht", kind, n) for kind, n in [("float32", 13), ("float32", 15), ("bfloat16", 13)]]
SIZES += [("fft", "complex64", 8), ("fft", "complex64", 13), ("fft", "float64", 10)]


def kernels(name):
    from fasttx._cuda import fft_kernel, fwht_kernel

    return {"fwht": fwht_kernel, "fft": fft_kernel}[name]


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)], ids=["sm_80", "sm_90"])
@pytest.mark.parametrize("merge", [False, True], ids=["split", "merge"])
@pytest.mark.parametrize(("kind", "levels"), [("complex64", 13), ("complex128", 8), ("float32", 6)])
def test_instructions_of_fourier_kernels(nvvm, kind, levels, merge, cc):
    from fasttx._cuda import codelets, memory

    code = kernels("fft").ptx(kind, levels, merge=merge, cc=cc)
    given, form = memory.KINDS[kind], codelets.layout(kind, levels, paired=True)
    held = 1 << form.vector + form.registers
    assert f".target sm_{cc[0]}{cc[1]}" in code
    assert not re.search(r"\.local\b|\bcall\b|\b(?:div|rem)\.", code)
    letter = "f64" if kind == "complex128" else "f32"
    assert (letter == "f64") == (".f64" in code)
    # Both parts at once, whole vectors where all of a tile is there and where it is not.
    bytes_read = held * memory.stored(given.read).itemsize * given.parts
    roots = len(re.findall(rf"ld\.global(?:\.nc)?\.v2\.{letter}", code))
    vectors = len(re.findall(r"ld\.global(?:\.nc)?\.v4", code))
    if kind == "complex64":
        assert vectors == 2 * bytes_read // 16
        assert 0 < roots < 4 * held
    stores = held * memory.stored(given.written).itemsize * 2 // 16
    assert len(re.findall(r"st\.global\.v[24]", code)) == len(re.findall("st.global", code))
    assert len(re.findall("st.global", code)) == 2 * stores
    lanes = len(range(form.vector, min(form.vector + form.lanes, levels)))
    words = memory.stored(given.number).itemsize // 4
    # One of two elements at each level of lanes, and once more for the register bit in a lane.
    shuffles = held * words * (lanes + (levels > form.vector + form.lanes or not merge))
    assert len(re.findall(r"shfl\.sync\.bfly", code)) == shuffles


def check_no_spills(code, form, folder):
    """Assemble, and look whether registers are enough."""
    if shutil.which("ptxas") is None:
        pytest.skip("needs the assembler ptxas")
    # An assembler that is older than the compiler knows all of these instructions too.
    code = re.sub(r"\.version [\d.]+", ".version 8.0", code)
    (folder / "kernel.ptx").write_text(code)
    done = subprocess.run(
        ["ptxas", "-arch=sm_90", "-v", f"-maxrregcount={form.most_registers}", "kernel.ptx"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "0 bytes stack frame, 0 bytes spill stores" in done.stderr, done.stderr


@pytest.mark.parametrize(("name", "kind", "levels"), SIZES)
def test_no_register_is_spilled(nvvm, tmp_path, name, kind, levels):
    module = kernels(name)
    form = module.transform(kind, levels).form
    check_no_spills(module.ptx(kind, levels, cc=(9, 0)), form, tmp_path)
    assert 2 * form.threads * form.most_registers <= 65536 or form.threads > 256
