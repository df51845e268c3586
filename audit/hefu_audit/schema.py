"""The tables of an auditor's copy of a log: the entries with their tree, and what questions ask of them.

Times are seconds since 1970 in UTC, charges integers as statements have them (10^-9, 10^-15, releases, 10^-9 ρ).
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 2  # another one is made anew from the log

TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- checkpoints this auditor verified, each an extension of the one before
CREATE TABLE head (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL);
-- hashes of complete subtrees above the leaves
CREATE TABLE node (level INTEGER, place INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, place)) WITHOUT ROWID;
-- every leaf; what follows is absent where the entry may not be read, or broke a rule
CREATE TABLE entry (
  idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, id TEXT, type TEXT, time INTEGER, issuer TEXT,
  signers TEXT, digest TEXT, envelope_digest TEXT, actor TEXT
);
-- the exact bytes, apart, so that looking through entries does not read them
CREATE TABLE body (idx INTEGER PRIMARY KEY, envelope BLOB NOT NULL);
-- entries that claim a time well before one that stands before them
CREATE TABLE late (idx INTEGER PRIMARY KEY, before INTEGER);
CREATE UNIQUE INDEX entry_id ON entry (id) WHERE id IS NOT NULL;
CREATE INDEX entry_type ON entry (type, idx);
CREATE INDEX entry_time ON entry (time, type);
CREATE INDEX entry_issuer ON entry (issuer, time, type);
CREATE INDEX entry_digest ON entry (digest);
CREATE INDEX entry_envelope ON entry (envelope_digest);
-- what an entry names: agreement, negotiation, product, resource, computation, participant, digest
CREATE TABLE about (kind TEXT, name TEXT, idx INTEGER, PRIMARY KEY (kind, name, idx)) WITHOUT ROWID;
-- what broke a rule, or does not fit what it refers to
CREATE TABLE fault (idx INTEGER, rule TEXT, text TEXT, PRIMARY KEY (idx, rule, text)) WITHOUT ROWID;
CREATE TABLE journal (
  issuer TEXT, connector TEXT, seq INTEGER, idx INTEGER, previous TEXT, envelope_digest TEXT,
  PRIMARY KEY (issuer, connector, seq, idx)
) WITHOUT ROWID;
CREATE TABLE ended (
  idx INTEGER PRIMARY KEY, type TEXT, time INTEGER, computation TEXT, request TEXT, provider TEXT, consumer TEXT,
  connector TEXT, product TEXT, description TEXT, resource TEXT, snapshot TEXT, engine TEXT, engine_version TEXT,
  epsilon_nano INTEGER, delta_femto INTEGER, releases INTEGER, rho_nano INTEGER, code TEXT, reasons TEXT,
  admitted INTEGER, kind TEXT, cells INTEGER, purpose TEXT, deadline INTEGER, digest TEXT
);
CREATE INDEX ended_computation ON ended (computation);
CREATE INDEX ended_request ON ended (request);
CREATE INDEX ended_product ON ended (product, time);
CREATE INDEX ended_description ON ended (description, time);
CREATE INDEX ended_code ON ended (type, code, time);
CREATE INDEX ended_time ON ended (type, time);
CREATE INDEX ended_deadline ON ended (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX ended_digest ON ended (digest) WHERE deadline IS NOT NULL;
-- under which agreements a computation ended, and which asset each charged; one row for each asset
CREATE TABLE charge (
  idx INTEGER, agreement TEXT, provider TEXT, resource TEXT, digest TEXT, clause TEXT, time INTEGER,
  epsilon_nano INTEGER, delta_femto INTEGER, releases INTEGER, rho_nano INTEGER, first INTEGER,
  PRIMARY KEY (idx, agreement, resource)
) WITHOUT ROWID;
CREATE INDEX charge_agreement ON charge (agreement, provider, idx, epsilon_nano, delta_femto, releases, rho_nano);
CREATE INDEX charge_resource ON charge (resource, provider, agreement, epsilon_nano, delta_femto, releases,
  rho_nano, idx);
CREATE TABLE denial (agreement TEXT, idx INTEGER, PRIMARY KEY (agreement, idx)) WITHOUT ROWID;
CREATE TABLE agreement (
  id TEXT, provider TEXT, idx INTEGER, digest TEXT, envelope_digest TEXT, connector TEXT, consumer TEXT,
  product TEXT, description TEXT, not_before INTEGER, not_after INTEGER, window INTEGER,
  epsilon_nano INTEGER, delta_femto INTEGER, releases INTEGER, rho_nano INTEGER, negotiation TEXT,
  PRIMARY KEY (id, provider)
) WITHOUT ROWID;
CREATE INDEX agreement_product ON agreement (product);
CREATE INDEX agreement_envelope ON agreement (envelope_digest);
-- policies of agreements, by whatever they are called: strategy, @id, digest of the canonical policy
CREATE TABLE policy (name TEXT, agreement TEXT, digest TEXT, idx INTEGER, PRIMARY KEY (name, agreement)) WITHOUT ROWID;
CREATE TABLE turn (agreement TEXT, idx INTEGER, type TEXT, time INTEGER, issuer TEXT, envelope_digest TEXT,
  PRIMARY KEY (agreement, idx)) WITHOUT ROWID;
CREATE TABLE description (
  digest TEXT PRIMARY KEY, idx INTEGER, provider TEXT, product TEXT, version INTEGER, time INTEGER, grade INTEGER,
  personal INTEGER, important INTEGER, cross_border INTEGER, legal_basis TEXT, title TEXT
) WITHOUT ROWID;
CREATE INDEX description_product ON description (product, idx);
CREATE TABLE lifetime (
  provider TEXT, resource TEXT, idx INTEGER, epsilon_nano INTEGER, delta_femto INTEGER, releases INTEGER,
  rho_nano INTEGER, PRIMARY KEY (resource, provider, idx)
) WITHOUT ROWID;
CREATE TABLE certified (
  idx INTEGER, participant TEXT, roles TEXT, not_before INTEGER, not_after INTEGER, time INTEGER,
  jurisdiction TEXT, PRIMARY KEY (participant, idx)
) WITHOUT ROWID;
CREATE TABLE held (key TEXT, participant TEXT, idx INTEGER, PRIMARY KEY (key, idx)) WITHOUT ROWID;
CREATE TABLE standing (idx INTEGER, subject TEXT, state TEXT, since INTEGER, PRIMARY KEY (subject, idx)) WITHOUT ROWID;
CREATE TABLE told (
  idx INTEGER PRIMARY KEY, type TEXT, time INTEGER, issuer TEXT, delivery TEXT, receipt TEXT, action TEXT, code TEXT
);
CREATE INDEX told_receipt ON told (receipt, type);
CREATE TABLE duty (idx INTEGER PRIMARY KEY, type TEXT, agreement TEXT, duty TEXT, subject TEXT, code TEXT, about TEXT);
CREATE TABLE seen (idx INTEGER PRIMARY KEY, size INTEGER, root TEXT, holds INTEGER);
"""
