"""What modules of the collection say of dry runs and of differences, each written once."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragments: C(rootfs.builder.attributes.NAME), NAME in small letters."""

    LOOKS = r"""
options: {}
attributes:
  check_mode:
    description: Changes nothing, ever.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
"""

    FORETELLS = r"""
options: {}
attributes:
  check_mode:
    description: Says what would be done and does nothing.
    support: full
  diff_mode:
    description: Has no difference to show.
    support: none
"""

    STEP = r"""
options: {}
attributes:
  check_mode:
    description: A step of a build is not run in check mode.
    support: none
  diff_mode:
    description: Has no difference to show.
    support: none
"""
