"""Every promise of a release, recomputed from the released files alone."""

from pathlib import Path

from catalogs.releases.verify.catalogue import check_stac
from catalogs.releases.verify.files import check_files, read_manifest
from catalogs.releases.verify.findings import Finding, Report
from catalogs.releases.verify.parcels import check_parcels
from catalogs.releases.verify.questions import check_questions
from catalogs.releases.verify.shards import check_shards
from catalogs.releases.verify.splits import check_promise
from catalogs.releases.verify.tables import check_accounts, check_samples
from catalogs.releases.verify.texts import check_card, check_indexes, check_texts

__all__ = ["Finding", "Report", "examine", "verify"]


def verify(release: Path) -> list[Finding]:
    """What is wrong with a release; [] when it keeps its promises."""
    return examine(release).findings


def examine(release: Path) -> Report:
    """Findings, counts of what was looked at, and notes on the limits of this run.

    Files that are missing or altered are reported once; checks of their content are skipped.
    """
    report = Report()
    manifest = read_manifest(release, report)
    if manifest is None:
        return report
    good = check_files(release, manifest, report)
    if "metadata/samples.parquet" in good:
        check_samples(release, manifest, report)
        with report.reading("accounting", "metadata"):
            check_accounts(release, manifest, report)
        with report.reading("splits", "metadata/samples.parquet"):
            check_promise(release, manifest, report)
        check_parcels(release, set(good), report)
        check_questions(release, report)
        check_shards(release, manifest, set(good), report)
    if any(name.startswith("stac/") for name in good):
        check_stac(release, manifest, report)
    if "README.md" in good:
        check_card(release, manifest, report)
    check_indexes(release, manifest, good, report)
    check_texts(release, set(good), report)
    report.close()
    return report
