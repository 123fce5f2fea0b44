INSERT INTO note (body) VALUES
    ('Welcome. This note was baked into the template database; every agent starts with a copy of it.'),
    ('Add a note below: it goes into this agent''s own database, and no other agent sees it.'),
    ('Attach a file to a note: it goes into this agent''s own bucket.');
