"""What this bench shares with benches/compare."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "compare"))

from measure import CLAIM, INBOX, SUBSCRIPTION, TEXT_PATH, log, medians, run_generator  # noqa: E402, F401
from report import paragraph, quantity, replace_section  # noqa: E402, F401
from results import Results  # noqa: E402, F401
from servers import ADMINS, NUMBERS, NotMeasured, Partyline, directory, free_port, user_key  # noqa: E402, F401
