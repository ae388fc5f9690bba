package store

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-dev/berth/server/store/database"
)

// auditValueMax is the longest value, in bytes, that is written down as it is; of a longer one there is a
// digest.
const auditValueMax = 1024

// changeSet collects the changed fields of an object.
type changeSet struct {
	key  []byte // of digests
	list []AuditChange
	err  error
}

const auditKeySQL = `
SELECT audit_key
FROM installation`

func (tx *Tx) newChangeSet(ctx context.Context) (*changeSet, error) {
	key, known := tx.s.auditKey.Load().([]byte)
	if !known {
		var text string
		if err := tx.db.Get(ctx, &text, auditKeySQL); err != nil {
			return nil, fmt.Errorf("read the key of digests: %w", err)
		}
		key = []byte(text)
		tx.s.auditKey.Store(key)
	}
	return &changeSet{key: key}, nil
}

// field adds a field without secrets. nil, and a value encoded as null, means absent.
func (d *changeSet) field(name string, before, after any) *changeSet {
	was, is := d.encode(before), d.encode(after)
	if d.err != nil || bytes.Equal(was, is) {
		return d
	}
	if len(was) > auditValueMax || len(is) > auditValueMax {
		return d.secret(name, was, is)
	}
	d.list = append(d.list, AuditChange{Field: name, Before: was, After: is})
	return d
}

func (d *changeSet) encode(v any) json.RawMessage {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // people read it
	if err := encoder.Encode(v); err != nil {
		d.err = fmt.Errorf("encode a change: %w", err)
	}
	encoded := json.RawMessage(bytes.TrimSpace(b.Bytes()))
	if string(encoded) == "null" {
		return nil
	}
	return encoded
}

// secret adds a field with secret values. The audit stores digests, which show only whether values are equal.
func (d *changeSet) secret(name string, before, after json.RawMessage) *changeSet {
	was, is := d.digest(name, before), d.digest(name, after)
	if !bytes.Equal(was, is) {
		d.list = append(d.list, AuditChange{Field: name, Before: was, After: is, Digest: true})
	}
	return d
}

// digest returns nil for an absent value. The digest includes the name, so that equal values of two fields
// differ.
func (d *changeSet) digest(name string, value json.RawMessage) json.RawMessage {
	if value == nil {
		return nil
	}
	compact := bytes.NewBufferString(name + "\x00")
	if err := json.Compact(compact, value); err != nil {
		d.err = fmt.Errorf("digest %s: %w", name, err)
		return nil
	}
	sum := hmac.New(sha256.New, d.key)
	sum.Write(compact.Bytes())
	return json.RawMessage(`"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`)
}

// members adds the members of an object that differ, each as a secret.
func (d *changeSet) members(name string, before, after database.JSON) *changeSet {
	was, is := d.object(before), d.object(after)
	for _, member := range memberNames(was, is) {
		d.secret(name+"."+member, was[member], is[member])
	}
	return d
}

// memberNames is what two objects have for names, in order.
func memberNames(a, b map[string]json.RawMessage) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func (d *changeSet) object(doc database.JSON) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if doc == nil {
		return nil
	}
	if err := json.Unmarshal(doc, &members); err != nil {
		d.err = fmt.Errorf("read an object that changes: %w", err)
	}
	return members
}

// auditChanges writes an entry with the changed fields. An update without changes writes none.
func (tx *Tx) auditChanges(ctx context.Context, d *changeSet, e AuditEntry) error {
	if d.err != nil {
		return d.err
	}
	if e.Action == AuditUpdate && len(d.list) == 0 {
		return nil
	}
	e.Changes = d.list
	return tx.audit(ctx, e)
}
