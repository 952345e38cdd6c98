"""What every column of a release's tables means, in one line for people."""

ENGINE = {
    "key": "name of the sample; prefix of its tar members",
    "split": "train, val or test",
    "shard": "tar file below `data/`",
    "index": "position in that tar file, from 0",
    "sha256": "of the sample's member bytes, in order",
    "crs": "CRS of the pixels",
    "transform": "affine (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f",
    "width": "pixels",
    "height": "pixels",
    "gsd_m": "metres on the ground for a pixel",
    "lon": "longitude of the anchor that decides the split, degrees",
    "lat": "latitude of the anchor, degrees",
    "scene_ids": "scenes of the pixels, `collection/id` (provenance/sources.parquet)",
    "license": "terms of the pixels",
    "attribution": "credit line of the pixels",
    "bbox": "footprint bounds, degrees (-180 to 180 where it crosses the antimeridian)",
    "geometry": "footprint, WKB, OGC:CRS84",
}
"""Columns that every samples table has, besides the places of the members."""

FACTS = {
    "bands": "names of the raster's bands, in order, separated by commas",
    "cell": "grid cell of the anchor; all samples of a cell are in one split",
    "center_tags": "visible tags of the object, main tag first (JSON object)",
    "cloud_scene": "cloud over the whole scene, percent; null where it is not known",
    "cloud_mask": "how the scene's mask was read; empty where it has none",
    "cloud_patch": "share of the chip's pixels that are cloud, 0 to 1; null without a mask",
    "cloud_patch_worst": "the same on the cloudiest date of a stack",
    "collection": "collection of the scene that the pixels come from",
    "date_gap_days": "days from the object's last edit to the image; null where a date is missing",
    "datetime": "when the scene was taken; null where nobody recorded it",
    "datetimes": "times of a stack's dates, in order, separated by commas",
    "focus_geometry": "outline of the object, WKB, OGC:CRS84",
    "main_tag": "the tag that best says what the object is, `key=value`",
    "nodata_patch": "share of the chip's pixels that the mask or the image says hold no data",
    "nodata_share": "share of pixels without data, 0 to 1",
    "offset": "physical = stored x scale + offset; null where not known or bands differ",
    "offset_applied": "added to every stored value when the scene was read (0: none)",
    "offset_suspect": "whether dark ground contradicts by about 1000 what the catalogue says of the "
    "Sentinel-2 offset; null where it cannot be told",
    "osm_id": "OpenStreetMap id of the object",
    "osm_timestamp": "when the object was last edited",
    "osm_type": "node, way or relation",
    "osm_version": "version of the object",
    "phash": "64-bit perceptual hash, 16 hex digits; empty where the chip is too flat to compare",
    "processing_baseline": "processing baseline of the scene, empty where there is none",
    "radiometric_convention": "how values are stored: `as_stored`, or `dn_pre04` (reflectance "
    "x 10,000 without offset)",
    "resampled": "bands that are not on their own grid, `B11:20->10 nearest`: metres, and how",
    "sampling_weight": "inverse class frequency, mean 1 over all samples",
    "scale": "physical = stored x scale + offset; null where not known or bands differ",
    "shadow_patch": "share of the chip's pixels in the shadow of a cloud",
    "snow_patch": "share of the chip's pixels that are snow or ice",
    "surrounding_ids": "objects around it, nearest first: letter of the type and id",
    "present_tags": "JSON: every mapped tag that names an object within the window, at any resolution",
    "near_places": "JSON: named places nearest to the middle: id, name, kind, position, km, direction",
    "questions": "JSON: questions with kind, options, answer and the ids that the answer rests on",
    "question_count": "questions of the sample",
    "place_prompt": "prompt about the place: coordinates, nearby places, a task to rate",
    "surrounding_tags": "visible tags of each object around it, nearest first (JSON list)",
    "title": "caption of the object",
    "title_multi_objects": "caption of the object and of what surrounds it",
    "valid_patch": "share of the chip's pixels with data and neither cloud nor its shadow",
    "year": "year in which the scene was taken; null where it is not known",
}
"""Columns that steps give, by fact."""

SPLITS = {
    "key": "name of the sample, shipped or lost to the buffer",
    "split": "split of its cell",
    "cell": "grid cell of its anchor; null where the sample was lost to the buffer",
    "buffer_dropped": "whether it was left out for lying too near to another split",
    "reason": "reason code, empty for a sample that is shipped",
}
"""Columns of `metadata/splits.parquet`."""

DROPS = {
    "key": "name of the sample that is not here, or of what it would have come from",
    "act": "plan, make, annotate or pack",
    "step": "step that decided",
    "code": "reason code",
    "message": "the reason in a sentence, with numbers",
    "outcome": "`rejected` (an expected loss) or `failed` (a fault)",
    "retryable": "whether another attempt may succeed",
    "attempts": "how often it was tried",
    "lon": "longitude of the anchor, degrees",
    "lat": "latitude of the anchor, degrees",
    "split": "split of the sample; null where none had been decided",
}
"""Columns of `metadata/drops.parquet`."""
