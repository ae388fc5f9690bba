package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

type templateRow struct {
	ID        uuid.UUID     `db:"id"`
	PoolID    uuid.UUID     `db:"pool_id"`
	Pool      string        `db:"pool"`
	Version   int32         `db:"version"`
	Document  database.JSON `db:"document"`
	Comment   string        `db:"comment"`
	CreatedAt database.Time `db:"created_at"`
	CreatedBy string        `db:"created_by"`
}

func (r templateRow) version() TemplateVersion {
	return TemplateVersion{
		ID: r.ID, PoolID: r.PoolID, Pool: r.Pool, Version: r.Version, Document: r.Document.Raw(),
		Comment: r.Comment, CreatedAt: r.CreatedAt.Time(), CreatedBy: r.CreatedBy,
	}
}

const (
	templateSQL = `
SELECT t.id, t.pool_id, p.name AS pool, t.version, t.document, t.comment, t.created_at, t.created_by
FROM template_versions t
JOIN pools p ON p.id = t.pool_id`
	newestTemplateSQL    = templateSQL + " WHERE p.name = ? AND p.deleted_at IS NULL AND t.version = p.template_version"
	templateByVersionSQL = templateSQL + " WHERE p.name = ? AND p.deleted_at IS NULL AND t.version = ?"
	templateByIDSQL      = templateSQL + " WHERE t.id = ?"
	templateSourceSQL    = "SELECT source FROM template_versions WHERE id = ?"
)

// GetTemplateVersion returns a version of the pool's template, the newest for 0.
func (q Reader) GetTemplateVersion(
	ctx context.Context, pool string, version int32,
) (*TemplateVersion, error) {
	var row templateRow
	var err error
	if version == 0 {
		err = database.NotFoundError(q.db.Get(ctx, &row, newestTemplateSQL, pool), "work pool %q", pool)
	} else {
		err = q.db.Get(ctx, &row, templateByVersionSQL, pool, version)
		err = database.NotFoundError(err, "version %d of the template of work pool %q", version, pool)
	}
	if err != nil {
		return nil, err
	}
	v := row.version()
	return &v, nil
}

// GetTemplateVersionByID returns a template version, also of a pool that is being deleted.
func (q Reader) GetTemplateVersionByID(ctx context.Context, id uuid.UUID) (*TemplateVersion, error) {
	var row templateRow
	if err := q.db.Get(ctx, &row, templateByIDSQL, id); err != nil {
		return nil, database.NotFoundError(err, "template version %s", id)
	}
	v := row.version()
	return &v, nil
}

// GetTemplateSource returns the text that a template version was read from, byte for byte; empty for one that was sent as
// a document.
func (q Reader) GetTemplateSource(ctx context.Context, id uuid.UUID) (string, error) {
	var source string
	err := q.db.Get(ctx, &source, templateSourceSQL, id)
	return source, database.NotFoundError(err, "template version %s", id)
}

const listTemplatesSQL = `
SELECT t.id, t.pool_id, p.name AS pool, t.version, t.comment, t.created_at, t.created_by
FROM template_versions t
JOIN pools p ON p.id = t.pool_id
WHERE t.pool_id = ?
	AND t.version < ?
ORDER BY t.version DESC
LIMIT ?`

// ListTemplateVersions lists the versions of the pool's template, newest first, without their documents.
func (q Reader) ListTemplateVersions(
	ctx context.Context, pool string, page Page,
) ([]TemplateVersion, string, error) {
	p, err := q.poolRef(ctx, pool)
	if err != nil {
		return nil, "", err
	}
	key, err := page.After("template")
	if err != nil {
		return nil, "", err
	}
	before := int64(math.MaxInt32)
	if key != "" {
		if before, err = strconv.ParseInt(key, 10, 32); err != nil {
			return nil, "", database.ForeignCursor()
		}
	}
	var rows []templateRow
	if err := q.db.All(ctx, &rows, listTemplatesSQL, p, before, page.Size()+1); err != nil {
		return nil, "", fmt.Errorf("list the template versions of work pool %q: %w", pool, err)
	}
	rows, next := database.CutPage(rows, page, "template",
		func(r templateRow) string { return strconv.Itoa(int(r.Version)) })
	versions := make([]TemplateVersion, len(rows))
	for i, r := range rows {
		versions[i] = r.version()
	}
	return versions, next, nil
}

const (
	templateBeforeSQL = `
SELECT document_hash, document, source
FROM template_versions
WHERE pool_id = ?
	AND version = ?`
	insertTemplateSQL = `
INSERT INTO template_versions (id, pool_id, version, document, document_hash, source, comment, stored_names, created_at, created_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	setTemplateSQL = `
UPDATE pools
SET template_version = ?,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`
)

// UpdateTemplate saves a new version of the pool's template, or returns the newest if document and source are
// unchanged. A document without a source leaves the source of an equal one as it is. With ifMatch it fails unless that
// is the newest version.
func (tx *Tx) UpdateTemplate(
	ctx context.Context, pool string, doc TemplateDocument, ifMatch *int32, actor string,
) (*TemplateVersion, error) {
	saved, err := tx.saveTemplate(ctx, pool, doc, ifMatch, actor)
	if err != nil {
		return nil, err
	}
	if err := tx.templateSaved(ctx, pool, saved, actor); err != nil {
		return nil, err
	}
	return tx.GetTemplateVersion(ctx, pool, 0)
}

// UpdateTemplate runs Tx.UpdateTemplate in a transaction.
func (s *Store) UpdateTemplate(
	ctx context.Context, pool string, doc TemplateDocument, ifMatch *int32, actor string,
) (*TemplateVersion, error) {
	return inTx(ctx, s, func(tx *Tx) (*TemplateVersion, error) {
		return tx.UpdateTemplate(ctx, pool, doc, ifMatch, actor)
	})
}

// savedTemplate holds the newest version before and after; they are equal if nothing changed.
type savedTemplate struct {
	before, version  int32 // before is 0 for the first
	hashBefore, hash string
	// The values that each of them freezes; nil: none.
	frozenBefore, frozen json.RawMessage
	// reaches as in TemplateDocument.
	reaches []string
}

// frozenOf returns what a template freezes. A document that is no template freezes nothing.
func frozenOf(document json.RawMessage) json.RawMessage {
	var template struct {
		Frozen map[string]json.RawMessage `json:"frozen"`
	}
	if json.Unmarshal(document, &template) != nil || len(template.Frozen) == 0 {
		return nil
	}
	frozen, _ := json.Marshal(template.Frozen) // what was read can be written
	return frozen
}

func (tx *Tx) saveTemplate(
	ctx context.Context, pool string, doc TemplateDocument, ifMatch *int32, actor string,
) (saved savedTemplate, err error) {
	p, err := tx.lockPoolRow(ctx, pool, poolForChange)
	if err != nil {
		return saved, err
	}
	if ifMatch != nil && *ifMatch != p.TemplateVersion {
		return saved, &Error{
			Code: PreconditionFailed,
			Message: fmt.Sprintf("template is at version %d, not %d: read it again before you change it",
				p.TemplateVersion, *ifMatch),
		}
	}
	hash, err := documentHash(doc.Document)
	if err != nil {
		return saved, err
	}
	saved = savedTemplate{before: p.TemplateVersion, version: p.TemplateVersion, hashBefore: hash, hash: hash}
	saved.frozen = frozenOf(doc.Document)
	saved.reaches = doc.Reaches
	if p.TemplateVersion > 0 {
		var before struct {
			Hash     string        `db:"document_hash"`
			Document database.JSON `db:"document"`
			Source   string        `db:"source"`
		}
		if err := tx.db.Get(ctx, &before, templateBeforeSQL, p.ID, p.TemplateVersion); err != nil {
			return saved, fmt.Errorf("read the newest template of work pool %q: %w", pool, err)
		}
		saved.hashBefore, saved.frozenBefore = before.Hash, frozenOf(before.Document.Raw())
		if saved.hashBefore == hash && (doc.Source == "" || doc.Source == before.Source) {
			return saved, nil
		}
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return saved, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return saved, fmt.Errorf("generate an ID: %w", err)
	}
	saved.version++
	_, err = tx.db.Exec(ctx, insertTemplateSQL, id, p.ID, saved.version, database.JSON(doc.Document), hash,
		doc.Source, doc.Comment, database.StringsOf(doc.StoredNames), now, actor)
	if err != nil {
		return saved, fmt.Errorf("save the template of work pool %q: %w", pool, err)
	}
	if _, err := tx.db.Exec(ctx, setTemplateSQL, saved.version, now, actor, p.ID); err != nil {
		return saved, fmt.Errorf("save the template of work pool %q: %w", pool, err)
	}
	return saved, nil
}

// documentHash tells one document from another, white space aside.
func documentHash(raw json.RawMessage) (string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", fmt.Errorf("the template is not JSON: %w", err)
	}
	sum := sha256.Sum256(compact.Bytes())
	return hex.EncodeToString(sum[:]), nil
}
