"""The order of the test files: the longest first, so that no worker is left with one at the end."""

LONGEST = (
    "test_workflow", "test_dvc", "test_reruns_of_source", "test_reruns", "test_engines", "test_encoder_decoder",
)  # fmt: skip


def pytest_collection_modifyitems(items: list) -> None:
    rank = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))
