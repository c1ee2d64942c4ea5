"""The text of documents before they are harmed."""

PARAGRAPHS = [
    "The heron stands in shallow water and waits until a careless minnow passes.",
    "Granite weathers slowly, but frost opens every crack that rain has found before.",
    "A lantern hung beside the harbour gate whenever the ferry crossed after midnight.",
    "Nobody remembered who planted the walnut orchard behind the abandoned observatory.",
    "Copper kettles, woollen blankets and seven violins were listed in the inventory.",
    "Glaciers carry boulders across valleys and leave them on meadows far from home.",
]

# Documents that have to have a length, for a compound file keeps short streams elsewhere.
LONG = PARAGRAPHS * 12

# Words that are in every document that is whole. Short ones are left out: noise has them, too.
WORDS = frozenset(
    word for line in PARAGRAPHS for word in line.lower().replace(".", "").replace(",", "").split() if len(word) > 5
)


def known(text: str) -> int:
    """Returns how many of the words are in a text."""
    lower = text.lower()
    return sum(word in lower for word in WORDS)
