import tomllib

import pytest

from tests.vm.kernel_tests import KERNEL_TESTS, list_kernel_tests
from tests.vm.kernels import KERNELS_FILE


@pytest.mark.slow
def test_the_number_of_kernel_tests_does_not_shrink_silently() -> None:
    least = tomllib.loads(KERNELS_FILE.read_text(encoding="utf-8"))["minimum_tests"]
    assert len(list_kernel_tests()) >= least


@pytest.mark.slow
def test_kernel_tests_carry_their_mark_and_come_from_their_folder() -> None:
    for test in list_kernel_tests():
        assert test.nodeid.startswith(f"{KERNEL_TESTS}/")
        assert "ktls" in test.marks
