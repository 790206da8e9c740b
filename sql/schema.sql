-- The one file. Everything that DEE knows is in these tables.
--
--   genesis ──► input (ordered queue) ──► audit (hash chain)          append-only, guarded by triggers
--                 │        │    └───────► given (rendering results)    append-only
--                 │        └────────────► ledger (every mark of a send) append-only
--                 └─ document (plans, templates, scripts, policies, zones, by digest) append-only
--
--   inbox   staging: any process may insert; only the loop deletes, in the transaction that admits the row
--   vault   the only place of personal data; rows are erased, never referred to by append-only rows except through commitments
--   state   contact, address, consent, suppression, plan, enrolment, run, timer, attempt, counter, hold, setting, breaker and the trails:
--           a fold of `input`; replay rebuilds it and `verify --state` compares it row by row
--
-- Times are ticks: integer seconds UTC. Money is integer micro-units. JSON text is canonical (sorted keys, no floats).
-- Triggers are a guard-rail; what they cannot stop, verify detects.

PRAGMA application_id = 1145390384;  -- "DEE0"
PRAGMA user_version = 1;             -- the file format

CREATE TABLE genesis (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    lineage   BLOB    NOT NULL CHECK (length(lineage) = 16),
    epoch     INTEGER NOT NULL,               -- the tick that `dee log` shows as 0
    semantics INTEGER NOT NULL,               -- which kernel/eN decides from the first input on
    clock     TEXT    NOT NULL CHECK (clock IN ('real', 'simulated')),
    seed      INTEGER NOT NULL                -- of simulated recipients; 0 in a real file
) STRICT;

CREATE TABLE input (
    seq      INTEGER PRIMARY KEY,             -- 1, 2, 3 … without a gap
    tick     INTEGER NOT NULL,
    received INTEGER NOT NULL,                -- when the inbox row was written, UTC seconds
    source   TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    payload  TEXT    NOT NULL                 -- canonical JSON, never personal data
) STRICT;

CREATE TABLE seen (                           -- dedupe tokens of admitted inputs, keyed with the file secret
    source TEXT NOT NULL,
    token  TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (source, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE document (
    digest TEXT    PRIMARY KEY,
    kind   TEXT    NOT NULL,
    seq    INTEGER NOT NULL,                  -- the input that brought it
    body   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE given (                          -- what the shell computed for an input and replay is given
    seq     INTEGER NOT NULL,                 -- the input
    ordinal INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (seq, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (                         -- one row per mark of an attempt; the key makes a second mark impossible
    attempt_no INTEGER NOT NULL,
    mark       TEXT    NOT NULL CHECK (mark IN ('DISPATCHING', 'ACCEPTED', 'REJECTED', 'UNKNOWN', 'NOT_SENT', 'ABANDONED')),
    send_key   TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    tick       INTEGER NOT NULL,
    PRIMARY KEY (attempt_no, mark)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    seq  INTEGER PRIMARY KEY,                 -- 0, 1, 2 … without a gap
    body TEXT NOT NULL,
    leaf BLOB NOT NULL
) STRICT;

-- staging -----------------------------------------------------------------------------------------------------------------------

CREATE TABLE inbox (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    source   TEXT    NOT NULL,
    dedupe   TEXT,                            -- a token that makes redelivery harmless, or NULL
    received INTEGER NOT NULL,
    ready    INTEGER NOT NULL DEFAULT 1,      -- 1: may be admitted; 2: after all of those (a long import); minus a job number: still being staged
    kind     TEXT    NOT NULL,
    payload  TEXT    NOT NULL,                -- goes to `input`
    private  TEXT                             -- goes to `vault`
) STRICT;

CREATE INDEX inbox_ready ON inbox (ready, received, id);

CREATE TABLE reply (                          -- what became of an inbox row, for the command that wrote it
    inbox   INTEGER PRIMARY KEY,
    seq     INTEGER,                          -- NULL: a duplicate, nothing was admitted
    outcome TEXT NOT NULL
) STRICT;

-- personal data -----------------------------------------------------------------------------------------------------------------

CREATE TABLE vault (
    contact TEXT    NOT NULL,                 -- '' for secrets of the file itself
    field   TEXT    NOT NULL,
    seq     INTEGER NOT NULL,                 -- the input that brought it
    value   TEXT    NOT NULL,
    UNIQUE (contact, field, seq)              -- a rowid table: its pages are overwritten in place, so that nothing stays behind
) STRICT;

-- state -------------------------------------------------------------------------------------------------------------------------

CREATE TABLE contact (
    contact    TEXT PRIMARY KEY,
    attributes TEXT    NOT NULL,
    facts      TEXT    NOT NULL,
    erased     INTEGER NOT NULL DEFAULT 0,
    cs         INTEGER NOT NULL DEFAULT 0,    -- the contact's own chain: length and head
    cp         TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE address (                        -- keyed tokens of addresses and of the customer's own keys
    token   TEXT PRIMARY KEY,
    kind    TEXT NOT NULL,
    contact TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX address_by_contact ON address (contact, kind, token);

CREATE TABLE consent (
    contact TEXT    NOT NULL,
    channel TEXT    NOT NULL,
    purpose TEXT    NOT NULL,                 -- '*' for every purpose
    granted INTEGER NOT NULL,
    class   TEXT    NOT NULL,                 -- express, written, implied, soft_opt_in
    expires INTEGER,
    basis   TEXT    NOT NULL,                 -- what an implied consent follows from
    obtained INTEGER NOT NULL,
    address TEXT    NOT NULL,                 -- the token of the address that the contact had then
    entry   INTEGER NOT NULL,                 -- the audit entry relied on
    PRIMARY KEY (contact, channel, purpose)
) STRICT, WITHOUT ROWID;

CREATE TABLE suppression (
    subject TEXT    NOT NULL,                 -- an address token, or a contact id
    scope   TEXT    NOT NULL,                 -- '*', 'channel:voice', 'plan:NAME', 'list:NAME'
    reason  TEXT    NOT NULL,
    entry   INTEGER NOT NULL,
    PRIMARY KEY (subject, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE plan (
    plan    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    digest  TEXT    NOT NULL,
    entry   INTEGER NOT NULL,
    PRIMARY KEY (plan, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment (                      -- how often and when a contact entered a plan
    contact TEXT    NOT NULL,
    plan    TEXT    NOT NULL,
    ordinal INTEGER NOT NULL,
    tick    INTEGER NOT NULL,
    PRIMARY KEY (contact, plan)
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    run_no  INTEGER PRIMARY KEY,
    run     TEXT    NOT NULL,
    contact TEXT    NOT NULL,
    plan    TEXT    NOT NULL,
    status  TEXT    NOT NULL,
    live    INTEGER NOT NULL,                 -- 1 until COMPLETED or CANCELLED
    tick    INTEGER NOT NULL,                 -- of the last change
    body    TEXT    NOT NULL                  -- the whole run as canonical JSON
) STRICT;
CREATE UNIQUE INDEX run_by_id ON run (run);
CREATE INDEX run_by_contact ON run (contact, run_no);
CREATE INDEX run_by_status ON run (status, plan, run_no);

CREATE TABLE timer (
    run_no INTEGER PRIMARY KEY,
    due    INTEGER NOT NULL
) STRICT;
CREATE INDEX timer_by_due ON timer (due, run_no);

-- Numbered in the order in which they were intended: neighbours in time are neighbours on the disk, and a commit touches few pages.
CREATE TABLE attempt (
    attempt_no INTEGER PRIMARY KEY,
    send_key   TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    run_no     INTEGER NOT NULL,
    channel    TEXT    NOT NULL,
    plan       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    ready      INTEGER NOT NULL,              -- the tick since which it could be pulled
    body       TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX attempt_by_key ON attempt (send_key, attempt);
CREATE INDEX attempt_by_run ON attempt (run_no, attempt_no);
CREATE INDEX attempt_queue ON attempt (channel, plan, ready, run_no, attempt_no) WHERE state = 'INTENDED';
CREATE INDEX attempt_flight ON attempt (attempt_no) WHERE state = 'DISPATCHING';

CREATE TABLE counter (                        -- limits and budgets: one row per rule scope and bucket
    name     TEXT    NOT NULL,
    bucket   TEXT    NOT NULL,
    settled  INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    PRIMARY KEY (name, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE hold (                           -- a shared reason why a queue does not move
    scope  TEXT    NOT NULL,                  -- '*', 'channel:email', 'plan:NAME', 'channel:email plan:NAME'
    reason TEXT    NOT NULL,                  -- halt, daily_limit, breaker …
    until  INTEGER,                           -- NULL: until a person releases it
    entry  INTEGER NOT NULL,
    PRIMARY KEY (scope, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE touch (                          -- what caps count: an attempt when it was dispatched, or a happening
    contact    TEXT    NOT NULL,
    tick       INTEGER NOT NULL,
    attempt_no INTEGER NOT NULL,              -- 0: about no attempt that is known
    what       TEXT    NOT NULL,              -- email, sms, voice; conversation, refusal, abandoned
    entry      INTEGER NOT NULL,
    outcome    TEXT    NOT NULL,              -- of an attempt, once it is known
    address    TEXT    NOT NULL,              -- the token of the address that was reached; '' where none is known
    body       TEXT    NOT NULL,              -- channel, plan, purpose, enrolment variables
    PRIMARY KEY (contact, tick, attempt_no, what)
) STRICT, WITHOUT ROWID;

CREATE INDEX touch_by_address ON touch (address, tick, contact, attempt_no, what);

CREATE TABLE listed (                         -- addresses on suppression lists that were loaded, by version
    token   TEXT    NOT NULL,
    list    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (token, list, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE list_version (                   -- suppression lists: what has been loaded, and what is in use
    list    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    as_of   INTEGER,                          -- NULL: not in use yet
    entry   INTEGER NOT NULL,
    PRIMARY KEY (list, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (                        -- configuration that a verdict can read
    key   TEXT PRIMARY KEY,
    value TEXT    NOT NULL,
    entry INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE breaker (
    channel  TEXT PRIMARY KEY,
    failures INTEGER NOT NULL                 -- in a row
) STRICT, WITHOUT ROWID;

CREATE TABLE run_trail (                      -- which entries belong to a run
    run_no INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (run_no, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact_trail (                  -- which entries speak of a contact outside its runs, or belong to its own chain
    contact TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (contact, seq)
) STRICT, WITHOUT ROWID;

-- append-only -------------------------------------------------------------------------------------------------------------------
-- With recursive_triggers on, INSERT OR REPLACE fires the delete triggers as well.

CREATE TRIGGER genesis_no_update  BEFORE UPDATE ON genesis  BEGIN SELECT RAISE(ABORT, 'genesis is append-only');  END;
CREATE TRIGGER genesis_no_delete  BEFORE DELETE ON genesis  BEGIN SELECT RAISE(ABORT, 'genesis is append-only');  END;
CREATE TRIGGER input_no_update    BEFORE UPDATE ON input    BEGIN SELECT RAISE(ABORT, 'input is append-only');    END;
CREATE TRIGGER input_no_delete    BEFORE DELETE ON input    BEGIN SELECT RAISE(ABORT, 'input is append-only');    END;
CREATE TRIGGER seen_no_update     BEFORE UPDATE ON seen     BEGIN SELECT RAISE(ABORT, 'seen is append-only');     END;
CREATE TRIGGER seen_no_delete     BEFORE DELETE ON seen     BEGIN SELECT RAISE(ABORT, 'seen is append-only');     END;
CREATE TRIGGER document_no_update BEFORE UPDATE ON document BEGIN SELECT RAISE(ABORT, 'document is append-only'); END;
CREATE TRIGGER document_no_delete BEFORE DELETE ON document BEGIN SELECT RAISE(ABORT, 'document is append-only'); END;
CREATE TRIGGER given_no_update    BEFORE UPDATE ON given    BEGIN SELECT RAISE(ABORT, 'given is append-only');    END;
CREATE TRIGGER given_no_delete    BEFORE DELETE ON given    BEGIN SELECT RAISE(ABORT, 'given is append-only');    END;
CREATE TRIGGER ledger_no_update   BEFORE UPDATE ON ledger   BEGIN SELECT RAISE(ABORT, 'ledger is append-only');   END;
CREATE TRIGGER ledger_no_delete   BEFORE DELETE ON ledger   BEGIN SELECT RAISE(ABORT, 'ledger is append-only');   END;
CREATE TRIGGER audit_no_update    BEFORE UPDATE ON audit    BEGIN SELECT RAISE(ABORT, 'audit is append-only');    END;
CREATE TRIGGER audit_no_delete    BEFORE DELETE ON audit    BEGIN SELECT RAISE(ABORT, 'audit is append-only');    END;
