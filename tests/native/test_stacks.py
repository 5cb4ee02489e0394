"""What a stack says to a reader."""

from __future__ import annotations

import pytest

from fwmemtrace.analysis.stacks import IMPORT, package_of, readable, short_name

SITE = "/venv/lib/python3.11/site-packages"
STANDARD = "/usr/lib/python3.11"
OWN = ("check", "/srv/app/guard.py", 12)


def test_import_machinery_is_one_frame():
    machinery = [
        ("_load_unlocked", "<frozen importlib._bootstrap>", 690),
        ("_find", "<frozen importlib._bootstrap>", 1),
    ]
    python = [("<module>", f"{SITE}/torch/__init__.py", 5), *machinery, OWN, *machinery]
    assert readable(python).frames == [python[0], IMPORT, OWN, IMPORT]


def test_the_caller_is_the_innermost_frame_of_the_program_itself():
    python = [
        ("forward", f"{SITE}/torch/nn/modules/linear.py", 134),
        ("run", f"{STANDARD}/threading.py", 1),
        ("wrapper", "/x/fwmemtrace/phases.py", 3),
        OWN,
        ("main", "/srv/app/main.py", 1),
    ]
    stack = readable(python)
    assert stack.caller == OWN
    assert stack.package == "torch"
    assert ("wrapper", "/x/fwmemtrace/phases.py", 3) not in stack.frames
    assert stack.library is None
    assert package_of(python) == "torch"
    assert package_of(python[1:]) == "program"
    assert package_of(python[1:2]) == "python"


def test_torch_s_operator_is_the_one_that_python_called():
    native = [
        ("c10::alloc_cpu(unsigned long)", "<unknown>", 0),
        ("at::detail::empty_cpu(c10::ArrayRef<long>, bool)", "<unknown>", 0),
        ("at::_ops::empty_memory_format::call(c10::ArrayRef<c10::SymInt>)", "<unknown>", 0),
        ("c10::impl::wrap_kernel_functor_unboxed_<x, at::Tensor (long)>::call(long)", "<unknown>", 0),
        ("at::_ops::add_Tensor::call(at::Tensor const&, c10::Scalar const&)", "<unknown>", 0),
        ("torch::autograd::THPVariable_add(_object*)", "<unknown>", 0),
        ("cfunction_call", "Objects/methodobject.c", 542),
    ]
    outer = [("at::_ops::mm::call(at::Tensor const&)", "<unknown>", 0)]
    stack = readable([OWN], [*native, OWN, *outer])
    assert stack.operator == "aten::add"
    assert stack.library == "libtorch_cpu.so"
    names = [function for function, _, _ in stack.frames]
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
        ([("default_calloc", "<unknown>"), ("PyArray_Zeros_int", "<unknown>")], "numpy"),
        ([("_PyObject_Malloc", "Objects/obmalloc.c"), ("PyUnicode_New", "Objects/unicodeobject.c")], "CPython"),
        ([("_PyObject_Malloc", "Objects/obmalloc.c"), ("PyArray_New", "<unknown>")], "numpy"),
        ([("__rust_alloc", "<unknown>"), ("tokenizers::models::wordpiece::new", "<unknown>")], "tokenizers"),
        ([("operator new(unsigned long)", "<unknown>"), ("at::native::full(long)", "<unknown>")], "libtorch_cpu.so"),
        ([("_dl_new_object", "./elf/dl-object.c")], "libc.so"),
        ([("mystery", "<unknown>")], None),
        ([("mystery", "<unknown>"), ("PyCFuncPtr_call", "Modules/_ctypes/_ctypes.c")], None),
        ([("helper", "<unknown>"), ("at::native::full(long)", "<unknown>")], "libtorch_cpu.so"),
    ],
)
def test_the_library_is_whose_code_asked(frames, library):
    assert readable([OWN], [*((name, file, 1) for name, file in frames), OWN]).library == library


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("malloc", "malloc"),
        ("std::vector<int, std::allocator<int> >::_M_realloc_insert(int*)", "std::vector::_M_realloc_insert"),
        ("at::Tensor at::native::foo<at::Tensor (long)>(long) [clone .cold]", "at::native::foo"),
        ("_$LT$tokenizers..Model$u20$as$u20$core..Trait$GT$::load::h00112233445566ff", "tokenizers::Model::load"),
        ("<unknown>", "<unknown>"),
        ("", ""),
        ("(", "("),
    ],
)
def test_names(symbol, name):
    assert short_name(symbol) == name
