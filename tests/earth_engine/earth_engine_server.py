"""A local server that speaks the part of the Earth Engine REST interface which the real client calls.

Discovery document and algorithms are those that the client package carries for its own tests. One
thing is added to the served discovery document: the query parameters `filter` and `view` of
`listAssets`, which the client sends and the service documents, and which that copy lacks.

`computePixels` evaluates the expression it is sent, on local rasters.
"""

import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import numpy.typing as npt
import rasterio
import shapely

Json = dict[str, Any]
PUBLIC = "projects/earthengine-public/assets/"


class Refusal(Exception):
    def __init__(
        self, status: int, message: str, after: int | None = None, cut: bool = False
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.after, self.cut = status, message, after, cut


@dataclass
class Request:
    """What the client sent."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Json

    @property
    def route(self) -> str:
        return self.path.rsplit(":", 1)[-1] if ":" in self.path else self.path


@dataclass
class World:
    """What the server knows and has seen.

    Attributes:
        assets: metadata by id, images and collections.
        rasters: the file of an image, whose band descriptions are its band ids.
        refusals: what to answer instead, by the last word of the path, first come first served.
        trouble: the same for a request that none of them is for.
        delay_s: before pixels are answered.
        brief: whether listings leave out the bands.
        together: computePixels answers only when so many are under way.
    """

    assets: dict[str, Json] = field(default_factory=dict)
    rasters: dict[str, Path] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    refusals: dict[str, list[Refusal]] = field(default_factory=dict)
    trouble: Callable[[Request], Refusal | None] = lambda request: None
    delay_s: float = 0.0
    page: int = 1000
    brief: bool = False
    request_bytes: int = 1 << 30
    together: threading.Barrier | None = None
    running: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse(self, route: str, *refusals: Refusal) -> None:
        self.refusals.setdefault(route, []).extend(refusals)

    def sent(self, route: str) -> list[Request]:
        return [request for request in self.requests if request.route == route]


def documents() -> tuple[Json, Json]:
    """(discovery document, algorithms), `filter` and `view` added to listAssets."""
    import ee

    folder = Path(ee.__file__).parent / "tests"
    discovery = json.loads((folder / "cloud_api_discovery_document.json").read_text())
    parameters = discovery["resources"]["projects"]["resources"]["assets"]["methods"]["listAssets"]
    for name in ("filter", "view"):
        parameters["parameters"][name] = {"location": "query", "type": "string"}
    return discovery, json.loads((folder / "algorithms.json").read_text())


def graph(expression: dict[str, Any]) -> Any:
    """An expression as nested (function, arguments)."""

    def open_(node: dict[str, Any]) -> Any:
        if "valueReference" in node:
            return open_(expression["values"][node["valueReference"]])
        if "functionInvocationValue" in node:
            call = node["functionInvocationValue"]
            return call["functionName"], {k: open_(v) for k, v in call["arguments"].items()}
        if "arrayValue" in node:
            return [open_(entry) for entry in node["arrayValue"]["values"]]
        return node["constantValue"]

    return open_(expression["values"][expression["result"]])


Image = dict[str, tuple[npt.NDArray[Any], npt.NDArray[np.float64]]]
"""Numbers and masks from 0 to 1 by band id, on the grid asked for."""


def evaluate(world: World, expression: Json, grid: Json) -> Image:
    """The image of an expression graph, on a grid; a masked band is no input of a reducer."""
    values = expression["values"]

    def value(node: Json) -> Any:
        if "valueReference" in node:
            return value(values[node["valueReference"]])
        if "constantValue" in node:
            return node["constantValue"]
        if "arrayValue" in node:
            return [value(entry) for entry in node["arrayValue"]["values"]]
        call = node["functionInvocationValue"]
        given = {name: value(argument) for name, argument in call["arguments"].items()}
        return invoke(call["functionName"], given)

    def invoke(name: str, given: Json) -> Any:
        if name == "Image.load":
            return sample(world, given["id"], grid)
        if name == "Image.constant":
            shape = (grid["dimensions"]["height"], grid["dimensions"]["width"])
            return {"constant": (np.full(shape, given["value"]), np.ones(shape))}
        if name == "Image.select":
            return {band: given["input"][band] for band in given["bandSelectors"]}
        if name == "Image.mask" and "mask" not in given:
            return {k: (mask.copy(), np.ones_like(mask)) for k, (_, mask) in given["image"].items()}
        if name == "Reducer.min":
            return name
        if name == "Image.reduce" and given["reducer"] == "Reducer.min":
            pixels, masks = (
                np.stack(found) for found in zip(*given["image"].values(), strict=True)
            )
            least = np.where(masks > 0, pixels, np.inf).min(axis=0)
            return {"min": (least, masks.max(axis=0))}
        if name == "Image.gt":
            (_, one), *more = given["image1"].items()
            (other,) = given["image2"].values()
            assert not more
            return {"gt": ((one[0] > other[0]).astype(np.uint8), np.minimum(one[1], other[1]))}
        if name == "Image.rename":
            return dict(zip(given["names"], given["input"].values(), strict=True))
        if name == "Image.addBands" and not {*given["dstImg"]} & {*given["srcImg"]}:
            return {**given["dstImg"], **given["srcImg"]}
        raise Refusal(400, f"{name}: not known to this server")

    result: Image = value(values[expression["result"]])
    return result


def sample(world: World, asset: str, grid: Json) -> Image:
    """The nearest pixel of a raster for every pixel of a grid, and its mask: 0 outside."""
    if asset not in world.rasters:
        raise Refusal(
            400,
            f"Image.load: Image asset '{asset}' not found "
            "(does not exist or caller does not have access).",
        )
    size, t = grid["dimensions"], grid["affineTransform"]
    with rasterio.open(world.rasters[asset]) as dataset:
        if grid.get("crsCode") != dataset.crs.to_string() and (
            rasterio.CRS.from_wkt(grid.get("crsWkt", dataset.crs.to_wkt())) != dataset.crs
            or "crsCode" in grid
        ):
            raise Refusal(400, "this server does not reproject")
        names, own = dataset.descriptions, dataset.transform
        cols, rows = places(t, size, own)
        inside = np.ix_((rows >= 0) & (rows < dataset.height), (cols >= 0) & (cols < dataset.width))
        rows, cols = rows[inside[0].ravel()], cols[inside[1].ravel()]
        kinds = [np.dtype(kind) for kind in dataset.dtypes]
        shape = (size["height"], size["width"])
        if not (rows.size and cols.size):
            return {
                n: (np.zeros(shape, k), np.zeros(shape)) for n, k in zip(names, kinds, strict=True)
            }
        top, left = int(rows.min()), int(cols.min())
        box = rasterio.windows.Window(left, top, int(np.ptp(cols)) + 1, int(np.ptp(rows)) + 1)
        whole, masks = dataset.read(window=box), dataset.read_masks(window=box)
    source = np.ix_(rows - top, cols - left)
    found: Image = {}
    for name, kind, band, mask in zip(names, kinds, whole, masks, strict=True):
        pixels, there = np.zeros(shape, kind), np.zeros(shape)
        pixels[inside], there[inside] = band[source], mask[source] / 255
        found[name] = pixels, there
    return found


def places(t: Json, size: Json, own: rasterio.Affine) -> tuple[Any, Any]:
    """(columns, rows) of a raster in which the centres of a grid's pixels lie."""
    x = t["translateX"] + t["scaleX"] * (np.arange(size["width"]) + 0.5)
    y = t["translateY"] + t["scaleY"] * (np.arange(size["height"]) + 0.5)
    return (
        np.floor((x - own.c) / own.a).astype(int), np.floor((y - own.f) / own.e).astype(int)
    )  # fmt: skip


def computed(world: World, body: Json) -> npt.NDArray[Any]:
    """The answer to computePixels: a structured array (y, x), 0 where a band is masked."""
    image = evaluate(world, body["expression"], body["grid"])
    kinds = np.dtype([(name, pixels.dtype) for name, (pixels, _) in image.items()])
    size = body["grid"]["dimensions"]
    asked = kinds.itemsize * size["width"] * size["height"]
    if asked > world.request_bytes:
        raise Refusal(
            400,
            f"Total request size ({asked} bytes) must be less than or equal to "
            f"{world.request_bytes} bytes.",
        )
    out = np.zeros((size["height"], size["width"]), kinds)
    for name, (pixels, mask) in image.items():
        out[name] = np.where(mask > 0, pixels, 0)
    return out


def matches(asset: Json, text: str) -> bool:
    """Whether an image passes a filter of `startTime` limits and `intersects`, joined by AND."""
    for part in re.split(r" AND (?=startTime|endTime|intersects|properties)", text):
        if limit := re.fullmatch(r'startTime (>=|<) "([^"]+)"', part):
            when = asset["startTime"]
            if not (when >= limit[2] if limit[1] == ">=" else when < limit[2]):
                return False
        elif near := re.fullmatch(r'intersects\("(.+)"\)', part):
            place = shapely.from_geojson(near[1].replace("'", '"'))
            if not shapely.intersects(place, shapely.from_geojson(json.dumps(asset["geometry"]))):
                return False
        else:
            raise Refusal(400, f"cannot parse filter: {part}")
    return True


def listed(world: World, parent: str, query: dict[str, str]) -> Json:
    """One page of the images of a collection."""
    if parent not in world.assets:
        raise Refusal(404, f"Asset {parent!r} not found.")
    images = [
        asset
        for name, asset in sorted(world.assets.items())
        if name.startswith(parent + "/") and matches(asset, query.get("filter", ""))
    ]
    start = int(query.get("pageToken", 0))
    stop = start + min(world.page, int(query.get("pageSize", world.page)))
    more = {"nextPageToken": str(stop)} if stop < len(images) else {}
    shown = [{k: v for k, v in a.items() if not (world.brief and k == "bands")} for a in images]
    return {"assets": shown[start:stop], **more}


def answer(world: World, request: Request, fixed: tuple[Json, Json]) -> bytes:
    """The body for a request.

    Raises:
        Refusal: any other status than 200.
    """
    waiting = world.refusals.get(request.route, [])
    with world.lock:
        refusal = waiting.pop(0) if waiting else world.trouble(request)
    if refusal is not None:
        raise refusal
    path = request.path
    if path.startswith("/$discovery/rest"):
        return json.dumps(fixed[0]).encode()
    if path.endswith("/algorithms"):
        return json.dumps(fixed[1]).encode()
    if path.endswith("/image:computePixels"):
        assert request.body["fileFormat"] == "NPY"
        time.sleep(world.delay_s)
        buffer = io.BytesIO()
        np.save(buffer, computed(world, request.body))
        return buffer.getvalue()
    name = path.removeprefix("/v1alpha/").removeprefix(PUBLIC)
    if name.endswith(":listAssets"):
        return json.dumps(listed(world, name.removesuffix(":listAssets"), request.query)).encode()
    if name in world.assets:
        return json.dumps(world.assets[name]).encode()
    raise Refusal(404, f"Asset {name!r} not found.")


@contextmanager
def serving(world: World) -> Iterator[str]:
    """The address of a running server; it stops with the block."""
    fixed = documents()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply("GET", urlsplit(self.path).query, {})

        def do_POST(self) -> None:
            """A question too long for an address comes as the body, as the client's library does it."""
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            if instead := self.headers.get("X-HTTP-Method-Override"):
                self.reply(instead, sent.decode(), {})
            else:
                self.reply("POST", urlsplit(self.path).query, json.loads(sent))

        def reply(self, method: str, asked: str, body: Json) -> None:
            query = {key: value[0] for key, value in parse_qs(asked).items()}
            path = unquote(urlsplit(self.path).path)
            request = Request(method, path, query, dict(self.headers), body)
            with world.lock:
                world.requests.append(request)
                world.running += 1
                world.most = max(world.most, world.running)
            try:
                if world.together is not None and request.route == "computePixels":
                    world.together.wait()
                try:
                    content = answer(world, request, fixed)
                    status, after, cut = 200, None, False
                except Refusal as refusal:
                    status, after, cut = refusal.status, refusal.after, refusal.cut
                    error = {"code": status, "message": refusal.message, "status": "ERROR"}
                    content = json.dumps({"error": error}).encode()
            finally:
                with world.lock:
                    world.running -= 1  # before the client can send its next request
            self.send_response(status)
            if after is not None:
                self.send_header("Retry-After", str(after))
            kind = "application/octet-stream" if content[:1] == b"\x93" else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content) + (64 if cut else 0)))
            self.end_headers()
            self.wfile.write(content)
            if cut:
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
