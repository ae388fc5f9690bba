package day

import (
	"fmt"
	"testing"
)

// fillBase copies a run that has ended, with all but its output: n runs that were made at the rate until now.
func (s *site) fillBase(b *testing.B, n int) {
	b.Helper()
	run := ""
	if err := s.db.QueryRowContext(b.Context(), "SELECT id FROM runs ORDER BY id LIMIT 1").Scan(&run); err != nil {
		b.Fatal(err)
	}
	for _, table := range []struct{ name, id string }{
		{"runs", "id"}, {"attempts", "run_id"}, {"events", "run_id"}, {"manifests", "run_id"},
	} {
		var columns, values string
		if err := s.db.QueryRowContext(b.Context(), copiedSQL, table.name, table.id).Scan(&columns, &values); err != nil {
			b.Fatal(err)
		}
		s.exec(b, fmt.Sprintf(`
			INSERT INTO %[1]s (%[3]s)
			SELECT %[4]s
			FROM (
				SELECT i, now() - ($1 - i) * INTERVAL '1 second' / $2 AS copied_at FROM generate_series(1, $1) AS i
			) AS copies
			CROSS JOIN LATERAL (
				SELECT (lpad(to_hex((EXTRACT(EPOCH FROM copied_at) * 1000)::bigint), 12, '0') || '7000a' || lpad(to_hex(i), 15, '0'))::uuid AS copied_id
			) AS ids
			CROSS JOIN (SELECT %[1]s.*, (SELECT created_at FROM runs WHERE id = $3) AS origin_at FROM %[1]s WHERE %[2]s = $3) AS t
			ORDER BY i`, table.name, table.id, columns, values), n, *rate, run)
		s.exec(b, "VACUUM ANALYZE "+table.name)
	}
}

// copiedSQL lists the columns of a table, and what they have in the copy made at a time.
const copiedSQL = `
SELECT
	string_agg(quote_ident(column_name), ', '),
	string_agg(CASE
		WHEN column_name IN ('id', $2) THEN 'copied_id'
		WHEN data_type = 'timestamp with time zone' THEN 't.' || column_name || ' + (copied_at - origin_at)'
		WHEN column_name = 'name' THEN 't.name || i'
		ELSE 't.' || quote_ident(column_name)
	END, ', ')
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER'`
