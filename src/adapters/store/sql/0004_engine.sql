-- Which engine may write: each one that begins takes the next epoch, and every append of an older one is refused. `card` is
-- who it is, as in refs/mc/owner.
CREATE TABLE engine (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    epoch INTEGER NOT NULL,
    card  TEXT    NOT NULL
) STRICT;

INSERT INTO engine VALUES (1, 0, '');

CREATE TRIGGER an_epoch_only_grows BEFORE UPDATE ON engine
WHEN NEW.epoch <= OLD.epoch
BEGIN SELECT raise(ABORT, 'an epoch only grows'); END;

CREATE TRIGGER an_epoch_is_never_forgotten BEFORE DELETE ON engine
BEGIN SELECT raise(ABORT, 'an epoch only grows'); END;
