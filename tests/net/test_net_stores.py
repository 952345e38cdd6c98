"""Whole builds from object stores, with credentials and without: the bytes of a build from disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fault_server import FaultServer, file
from net_world import built, items, release, same
from small_world import World
from test_net_secrets import holding

SECRET = "s3cr3t-canary"


@pytest.fixture(scope="module")
def store(world: World) -> Iterator[str]:
    """An S3 server with the world's images in a public and in a private bucket; its host:port."""
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("obstore")
    here = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    here.start()
    host, port = here.get_host_and_port()
    admin = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="testing", aws_secret_access_key=SECRET,
    )  # fmt: skip
    for bucket, acl in (("closed", "private"), ("open", "public-read")):
        admin.create_bucket(Bucket=bucket)
        for image in sorted(world.imagery.glob("*.tif")):
            admin.put_object(
                Bucket=bucket, Key=f"a b/{image.name}", Body=image.read_bytes(), ACL=acl
            )
    yield f"{host}:{port}"
    here.stop()


def built_from(world: World, tmp_path: Path, root: str, *more: str, **env: str) -> Any:
    """A build of the world from a bucket; no word of it holds the secret."""
    place = items(world, tmp_path / "items.json", lambda path: f"{root}/a b/{path.name}")
    done = built(world, place, tmp_path / "out", *more, **env)
    assert SECRET not in done.stdout + done.stderr
    assert holding(tmp_path / "out", SECRET) == []
    return done


@pytest.mark.parametrize(
    ("bucket", "credentials"),
    [("open", False), ("closed", True), pytest.param("open", True, marks=pytest.mark.slow)],
)
def test_a_build_from_s3(
    bucket: str, credentials: bool, world: World, from_disk: Path, store: str, tmp_path: Path
) -> None:
    env = {"AWS_ENDPOINT_URL": f"http://{store}", "EARTHLOOM_ALLOW_HOSTS": store}
    if credentials:
        env |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": SECRET}
    done = built_from(world, tmp_path, f"s3://{bucket}", **env)
    assert done.returncode == 0, done.stderr
    same(release(tmp_path / "out"), from_disk)


@pytest.mark.slow
def test_a_private_bucket_without_credentials_fails_by_name(
    world: World, store: str, tmp_path: Path
) -> None:
    env = {"AWS_ENDPOINT_URL": f"http://{store}", "EARTHLOOM_ALLOW_HOSTS": store}
    done = built_from(world, tmp_path, "s3://closed", **env)
    assert done.returncode == 3
    assert "auth" in done.stderr and "/closed/" in done.stderr


def test_a_build_from_google_storage(
    world: World, from_disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    """The emulator is read as anybody may, whatever credentials the environment names."""
    for image in world.imagery.glob("*.tif"):
        server.on(f"/tiles/a%20b/{image.name}", file(image.read_bytes()))
    key = tmp_path / "key.json"
    key.write_text(f'{{"type": "service_account", "private_key": "{SECRET}"}}')
    done = built_from(
        world, tmp_path, "gs://tiles",
        STORAGE_EMULATOR_HOST=server.place, GOOGLE_APPLICATION_CREDENTIALS=str(key),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    same(release(tmp_path / "out"), from_disk)
    asked = [repr((hit.query, hit.headers)) for hit in server.hits]
    assert len(asked) > 16 and not [text for text in asked if SECRET in text]
