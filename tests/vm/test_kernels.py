from pathlib import Path

import pytest

from tests.vm.kernels import KernelSpec, cached_kernel, newest_release, read_specs, release_key

STABLE = KernelSpec("6.12", "trixie", ("linux-image-{release}",), "6.12", "6.13")
TESTING = KernelSpec("7.2", "forky", ("linux-binary-{release}", "linux-modules-{release}"), "7.2")


def test_the_newest_release_is_taken_by_number() -> None:
    names = ["linux-image-6.12.95+deb12-amd64", "linux-image-6.12.117+deb13-amd64", "linux-image-6.12.9+deb13-amd64"]
    assert newest_release(STABLE, names) == "6.12.117+deb13-amd64"


@pytest.mark.parametrize(
    "name",
    [
        "linux-image-6.12.117+deb13-cloud-amd64",
        "linux-image-6.12.117+deb13-rt-amd64",
        "linux-image-6.12.117+deb13-amd64-unsigned",
        "linux-image-6.12.117+deb13-amd64-dbg",
        "linux-image-6.1.0-9-amd64",
        "linux-image-6.13.1+deb14-amd64",
        "linux-image-amd64",
        "linux-headers-6.12.117+deb13-amd64",
    ],
)
def test_other_flavours_and_series_are_not_taken(name: str) -> None:
    assert newest_release(STABLE, [name]) is None


def test_a_kernel_in_two_packages_needs_both() -> None:
    names = ["linux-binary-7.3.1+deb14-amd64", "linux-binary-7.2.12+deb14-amd64", "linux-modules-7.2.12+deb14-amd64"]
    assert newest_release(TESTING, names) == "7.2.12+deb14-amd64"


def test_without_an_upper_bound_the_next_major_series_is_taken() -> None:
    names = [f"linux-{part}-{release}" for part in ("binary", "modules") for release in ("7.2.12-amd64", "8.0.1-amd64")]
    assert newest_release(TESTING, names) == "8.0.1-amd64"


def test_the_64_of_amd64_is_not_part_of_a_release() -> None:
    assert release_key("6.12.90+deb12-amd64") < release_key("6.12.90+deb12.1-amd64")


def test_a_half_made_kernel_in_the_cache_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "kernels" / ".partial-x7" / "6.12.117+deb13-amd64").mkdir(parents=True)
    assert cached_kernel(STABLE, tmp_path) is None


def test_the_newest_kernel_in_the_cache_is_found(tmp_path: Path) -> None:
    for release in ("6.12.95+deb12-amd64", "6.12.117+deb13-amd64", "7.2.12+deb14-amd64"):
        (tmp_path / "kernels" / release).mkdir(parents=True)
    kernel = cached_kernel(STABLE, tmp_path)
    assert kernel is not None
    assert kernel.image == tmp_path / "kernels/6.12.117+deb13-amd64/boot/vmlinuz-6.12.117+deb13-amd64"


def test_an_empty_cache_has_no_kernel(tmp_path: Path) -> None:
    assert cached_kernel(TESTING, tmp_path) is None


def test_the_kernels_of_the_suite_are_one_without_and_one_with_rekey() -> None:
    without, with_rekey = read_specs().values()
    assert without.below is not None
    assert release_key(without.below) < release_key("6.14") < release_key(with_rekey.at_least)
