"""What the service is made of: python -m unittest discover test, where it is installed."""

from __future__ import annotations

import unittest

from python_web._letters import wide
from python_web.badge import badge
from python_web.greetings import greetings
from python_web.visits import Visits


class Service(unittest.TestCase):
    def test_greetings_are_unicode(self) -> None:
        self.assertEqual(greetings()["de"], "Grüß Gott")

    def test_letters_wider_than_a_byte_are_counted(self) -> None:
        self.assertEqual((wide("Grüß"), wide("γειά"), wide("")), (2, 4, 0))

    def test_visits_are_counted_by_name(self) -> None:
        visits = Visits(":memory:")
        self.assertEqual([visits.add(name, "now") for name in ("Grüße", "Grüße", "x")], [1, 2, 1])
        self.assertEqual(visits.count(), 3)

    def test_a_badge_differs_by_its_text(self) -> None:
        self.assertNotEqual(badge("Grüße"), badge("Gruesse"))


if __name__ == "__main__":
    unittest.main()
