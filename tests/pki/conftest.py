"""External programs that verify our certificates: OpenSSL, and one that uses Go's library."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pki.judges import Judge, ask_openssl, make_go_judge


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("go"):
        pytest.skip("go is not installed")
    program = tmp_path_factory.mktemp("go") / "pki"
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    source = Path(__file__).with_name("go")
    subprocess.run(["go", "build", "-o", program, "."], cwd=source, env=environment, check=True)
    return program


@pytest.fixture(scope="session", params=["openssl", "go"])
def judge(request: pytest.FixtureRequest) -> Judge:
    if request.param == "go":
        return make_go_judge(request.getfixturevalue("go_program"))
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    return ask_openssl
