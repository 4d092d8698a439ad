"""What is known of a model: the first who knows is believed."""

from dragoman.catalog import UNKNOWN, Capabilities, Catalogue, sees


def test_what_one_does_not_know_the_next_one_says() -> None:
    said = Capabilities(context=10, vision=False)
    known = Capabilities(context=20, max_output=5, vision=True, tools=True)
    assert said.over(known) == Capabilities(context=10, max_output=5, vision=False, tools=True)


def test_the_catalogue_asks_its_sources_in_order() -> None:
    catalogue = Catalogue(
        {("p", "m"): Capabilities(context=1)}, {("p", "m"): Capabilities(2, 3), ("p", "n"): sees(("text",))}
    )
    assert catalogue.capabilities("p", "m") == Capabilities(1, 3)
    assert catalogue.capabilities("p", "n").vision is False
    assert catalogue.capabilities("q", "m") == UNKNOWN


def test_modalities_tell_what_a_model_sees() -> None:
    assert sees(None).vision is None
    assert sees(("text", "pdf")).documents is True
