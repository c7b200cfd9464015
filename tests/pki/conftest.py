"""External programs that verify our certificates: OpenSSL, and one that uses Go's library."""

from pathlib import Path

import pytest

from tests.go_programs import built
from tests.needs import need
from tests.pki.judges import Judge, ask_openssl, make_go_judge


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(Path(__file__).with_name("go"), tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="session", params=["openssl", "go"])
def judge(request: pytest.FixtureRequest) -> Judge:
    if request.param == "go":
        return make_go_judge(request.getfixturevalue("go_program"))
    need("openssl")
    return ask_openssl
