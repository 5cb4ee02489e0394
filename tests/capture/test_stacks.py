"""How stacks are made readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.capture.frames import UNKNOWN
from fwmemtrace.capture.library_names import library_of
from fwmemtrace.capture.short_names import short_name
from fwmemtrace.capture.stacks import IMPORT, make_readable, package_of_stack, requesting_library

SITE = "/venv/lib/python3.11/site-packages"
STANDARD = "/usr/lib/python3.11"
OWN = ("check", "/srv/app/guard.py", 12)
LIB = "/usr/lib/x86_64-linux-gnu"
PYTHON = "/usr/lib/libpython3.11.so.1.0"
NUMPY = f"{SITE}/numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so"
TORCH = f"{SITE}/torch/lib/libtorch_cpu.so"


def shown(frame):
    """Return a Python frame as it is in a readable stack."""
    return (*frame, None)


def test_import_machinery_is_one_frame():
    machinery = [
        ("_load_unlocked", "<frozen importlib._bootstrap>", 690),
        ("_find", "<frozen importlib._bootstrap>", 1),
    ]
    python = [("<module>", f"{SITE}/torch/__init__.py", 5), *machinery, OWN, *machinery]
    assert make_readable(python).frames == [shown(python[0]), IMPORT, shown(OWN), IMPORT]


def test_the_caller_is_the_innermost_frame_of_the_program():
    python = [
        ("forward", f"{SITE}/torch/nn/modules/linear.py", 134),
        ("run", f"{STANDARD}/threading.py", 1),
        ("wrapper", "/x/fwmemtrace/phases.py", 3),
        OWN,
        ("main", "/srv/app/main.py", 1),
    ]
    stack = make_readable(python)
    assert stack.caller == OWN
    assert stack.package == "torch"
    assert ("wrapper", "/x/fwmemtrace/phases.py", 3, None) not in stack.frames
    assert stack.library is None
    assert package_of_stack(python) == "torch"
    assert package_of_stack(python[1:]) == "program"
    assert package_of_stack(python[1:2]) == "python"


def test_the_operator_is_the_one_that_python_called():
    native = [
        ("c10::alloc_cpu(unsigned long)", "", 0, None),
        ("at::detail::empty_cpu(c10::ArrayRef<long>, bool)", "", 0, None),
        ("at::_ops::empty_memory_format::call(c10::ArrayRef<c10::SymInt>)", "", 0, None),
        ("c10::impl::wrap_kernel_functor_unboxed_<x, at::Tensor (long)>::call(long)", "", 0, None),
        ("at::_ops::add_Tensor::call(at::Tensor const&, c10::Scalar const&)", "", 0, None),
        ("torch::autograd::THPVariable_add(_object*)", "", 0, None),
        ("cfunction_call", "Objects/methodobject.c", 542, None),
    ]
    outer = [("at::_ops::mm::call(at::Tensor const&)", "", 0, None)]
    stack = make_readable([OWN], [*native, shown(OWN), *outer])
    assert stack.operator == "aten::add"
    assert stack.library == "libtorch_cpu.so"
    names = [function for function, *_ in stack.frames]
    assert names == [
        "c10::alloc_cpu",
        "at::detail::empty_cpu",
        "at::_ops::empty_memory_format::call",
        "at::_ops::add_Tensor::call",
        "torch::autograd::THPVariable_add",
        "check",
        "at::_ops::mm::call",
    ]


@pytest.mark.parametrize(
    ("frames", "library"),
    [
        ([("default_calloc", ""), ("PyArray_Zeros_int", "")], "numpy"),
        ([("_PyObject_Malloc", "Objects/obmalloc.c"), ("PyUnicode_New", "Objects/unicodeobject.c")], "CPython"),
        ([("_PyObject_Malloc", "Objects/obmalloc.c"), ("PyArray_New", "")], "numpy"),
        ([("__rust_alloc", ""), ("tokenizers::models::wordpiece::new", "")], "tokenizers"),
        ([("operator new(unsigned long)", ""), ("at::native::full(long)", "")], "libtorch_cpu.so"),
        ([("_dl_new_object", "./elf/dl-object.c")], "libc.so"),
        ([("mystery", "")], None),
        ([("mystery", ""), ("PyCFuncPtr_call", "Modules/_ctypes/_ctypes.c")], None),
        ([("helper", ""), ("at::native::full(long)", "")], "libtorch_cpu.so"),
    ],
)
def test_symbols_tell_the_library_where_memray_does_not(frames, library):
    native = [(name, file, 1, None) for name, file in frames]
    assert make_readable([OWN], [*native, shown(OWN)]).library == requesting_library(native) == library


@pytest.mark.parametrize(
    ("frames", "library"),
    [
        ([("default_calloc", NUMPY), ("mystery", NUMPY)], "numpy"),
        ([("operator new(unsigned long)", f"{LIB}/libstdc++.so.6"), ("mystery", TORCH)], "libtorch_cpu.so"),
        ([(UNKNOWN, f"{SITE}/tokenizers/tokenizers.abi3.so"), ("cfunction_call", PYTHON)], "tokenizers"),
        ([("_PyObject_Malloc", PYTHON), ("PyDict_New", PYTHON), ("mystery", TORCH)], "libtorch_cpu.so"),
        ([("_PyObject_Malloc", PYTHON), ("PyDict_New", PYTHON)], "CPython"),
        ([("pymalloc_alloc", PYTHON), ("_PyObject_Malloc", PYTHON)], "CPython"),
        ([("_PyObject_ArenaMmap", PYTHON), ("_PyObject_Malloc", PYTHON), ("mystery", TORCH)], "CPython arenas"),
        ([("PyDict_New", PYTHON), ("_PyEval_EvalFrameDefault", PYTHON), ("mystery", TORCH)], "CPython"),
        # A name that another library has too.
        ([("at::native::full(long)", "/opt/guard/libguard.so.2.1")], "libguard.so"),
    ],
)
def test_the_path_of_a_library_overrides_its_symbols(frames, library):
    assert requesting_library([(name, "", 0, path) for name, path in frames]) == library


def test_repeated_frames_without_a_name_are_shown_once():
    native = [(UNKNOWN, "", 0, TORCH), (UNKNOWN, "", 0, TORCH), (UNKNOWN, "", 0, NUMPY), (UNKNOWN, "", 0, TORCH)]
    frames = make_readable([OWN], [*native, shown(OWN)]).frames
    assert [(name, library) for name, _, _, library in frames] == [
        (UNKNOWN, "libtorch_cpu.so"),
        (UNKNOWN, "numpy"),
        (UNKNOWN, "libtorch_cpu.so"),
        ("check", None),
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{SITE}/torch/_C.cpython-311-x86_64-linux-gnu.so", "torch"),
        (f"{SITE}/_cffi_backend.cpython-311-x86_64-linux-gnu.so", "_cffi_backend"),
        (f"{SITE}/numpy.libs/libgfortran-040039e1-0352e75f.so.5.0.0", "libgfortran.so"),
        (f"{SITE}/nvidia/cublas/lib/libcublas.so.12", "libcublas.so"),
        ("/usr/lib/python3.11/lib-dynload/_ctypes.cpython-311-x86_64-linux-gnu.so", "CPython"),
        ("/usr/bin/python3.11", "CPython"),
        (f"{LIB}/libm.so.6", "libc.so"),
        ("/lib64/ld-linux-x86-64.so.2", "libc.so"),
        (f"{LIB}/libmkl_core.so.2", "libmkl_core.so"),
        ("/srv/app/_fast.cpython-311-x86_64-linux-gnu.so", "_fast.so"),
        ("linux-vdso.so.1", "linux-vdso.so"),
        ("", ""),
    ],
)
def test_the_name_of_a_library(path, name):
    assert library_of(path) == name


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("malloc", "malloc"),
        ("std::vector<int, std::allocator<int> >::_M_realloc_insert(int*)", "std::vector::_M_realloc_insert"),
        ("at::Tensor at::native::foo<at::Tensor (long)>(long) [clone .cold]", "at::native::foo"),
        ("_$LT$tokenizers..Model$u20$as$u20$core..Trait$GT$::load::h00112233445566ff", "tokenizers::Model::load"),
        (
            "_RINvMsa_NtCskibSv91bgl1_9hashbrown3rawNtB6_13RawTableInner22fallible_with_capacityNtNtCs1C1lLj4PWSY_5alloc"
            "5alloc6GlobalECscxzlFi8rOL3_10tokenizers.llvm.16636948076093574717",
            "hashbrown::raw::RawTableInner::fallible_with_capacity",
        ),
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("_RNvXCs1234_7mycrateNtB2_3FooNtB2_5Trait3bar", "mycrate::Foo::bar"),
        ("<<a::B<C> as D>::e::{closure#0} as core::ops::FnOnce<()>>::call_once", "a::B::e::{closure#0}::call_once"),
        ("_Rubbish", "_Rubbish"),
        ("<unknown>", "<unknown>"),
        ("<&mut F as core::ops::FnOnce<(A, B)>>::call_once::<u8>", "&mut F::call_once"),
        ("", ""),
        ("(", "("),
    ],
)
def test_short_names(symbol, name):
    assert short_name(symbol) == name


@given(st.text(alphabet="<>:()_RNvCs0a $.as-", max_size=40))
def test_no_symbol_raises_or_gets_an_empty_name(symbol):
    assert bool(short_name(symbol)) == bool(symbol)


def test_a_rust_symbol_that_cannot_be_demangled_prints_nothing(capsys):
    symbol = "_RNvNtCs27Vx93FoQ6z_4core3ptr13drop_in_placeINtNtCsgW8esjfipvk_5alloc5boxed3BoxDG0_INtNtNtB4_3ops8"
    assert short_name(symbol)
    assert capsys.readouterr().out == ""
