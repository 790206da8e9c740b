"""Everything that can be asked about a file, in one place: `from dee_appliance.runtime import reports`.

Each function takes an open View and gives a frozen struct (or a stream of them) that turns into JSON as it is. Nothing here
writes, decides or prints. Where a report is made:

    status        is the file armed, does it move, what needs a person            reports_status
    budget_show   budgets, daily limits and rates                                 reports_budget, reports_burn
    log, follow   entries by run, contact, action and time                        reports_log
    select_runs   runs by status, plan, contact, reason and time                  reports_runs
    run_show      one run: timeline, next action, evidence                        reports_run, reports_timeline, reports_next
    why           why somebody did or did not get something                       reports_why, reports_gate, reports_enrolment
    contact_*     contacts found, shown, and all that happened to them            reports_contacts
    consent_show, suppress_check, suppress_list                                   reports_permission
    suppression_lists, facts   lists in use and recorded facts                    reports_lists

Some are not imported here, because they need what renders messages or compiles zones: `contact_export` (all that the file has
about a contact) is in reports_contact_export and reports_messages, `tz_show` and `preview_table` are in tz_table and tz_preview.
"""

from __future__ import annotations

from dee_appliance.runtime.gate_words import ConsentRelied
from dee_appliance.runtime.reports_budget import BudgetReport, BudgetRow, LimitRow, RateRow, budget_show
from dee_appliance.runtime.reports_contacts import (
    ContactReport,
    ContactRow,
    contact_find,
    contact_show,
    contact_timeline,
)
from dee_appliance.runtime.reports_enrolment import Refusal
from dee_appliance.runtime.reports_gate import Rung
from dee_appliance.runtime.reports_lists import FactRow, ListRow, facts, suppression_lists
from dee_appliance.runtime.reports_log import LogFilter, LogLine, follow, log
from dee_appliance.runtime.reports_next import Choice, NextAction, requires
from dee_appliance.runtime.reports_permission import (
    ConsentReport,
    ConsentRow,
    SuppressionCheck,
    SuppressionRow,
    consent_show,
    suppress_check,
    suppress_list,
)
from dee_appliance.runtime.reports_run import RunEvidence, RunReport, run_show
from dee_appliance.runtime.reports_runs import RunFilter, RunRow, select_runs
from dee_appliance.runtime.reports_status import Arming, StatusReport, arming_of, disarmed_reason, status
from dee_appliance.runtime.reports_timeline import Moment
from dee_appliance.runtime.reports_view import Instant
from dee_appliance.runtime.reports_why import RunWhy, SendWhy, Why, why

__all__ = [
    "Arming",
    "BudgetReport",
    "BudgetRow",
    "Choice",
    "ConsentRelied",
    "ConsentReport",
    "ConsentRow",
    "ContactReport",
    "ContactRow",
    "FactRow",
    "Instant",
    "LimitRow",
    "ListRow",
    "LogFilter",
    "LogLine",
    "Moment",
    "NextAction",
    "RateRow",
    "Refusal",
    "RunEvidence",
    "RunFilter",
    "RunReport",
    "RunRow",
    "RunWhy",
    "Rung",
    "SendWhy",
    "StatusReport",
    "SuppressionCheck",
    "SuppressionRow",
    "Why",
    "arming_of",
    "budget_show",
    "consent_show",
    "contact_find",
    "contact_show",
    "contact_timeline",
    "disarmed_reason",
    "facts",
    "follow",
    "log",
    "requires",
    "run_show",
    "select_runs",
    "status",
    "suppress_check",
    "suppress_list",
    "suppression_lists",
    "why",
]
