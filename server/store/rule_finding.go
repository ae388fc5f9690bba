package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// RuleFinding is what a rule said of the Job of a run.
type RuleFinding struct {
	Rule string `json:"rule"`
	// Pool is the pool of the rule; empty for a rule of the installation.
	Pool    string `json:"pool,omitempty"`
	Action  string `json:"action"` // deny or warn
	Message string `json:"message"`
}

// RunRuleFinding is a finding of an attempt of a run. Attempt 0 is the creation of the run.
type RunRuleFinding struct {
	RuleFinding
	Attempt int32
}

// Bounds of the findings that one attempt keeps: a pool and the installation have 32 rules each.
const (
	maxRuleFindings      = 64
	maxRuleFindingsBytes = 16 << 10
)

// boundRuleFindings cleans findings and keeps the first ones, as many as fit.
func boundRuleFindings(findings []RuleFinding) []RuleFinding {
	const maxMessage = 2 << 10
	kept := []RuleFinding{}
	size := 0
	for _, f := range findings[:min(len(findings), maxRuleFindings)] {
		f.Rule, f.Pool, f.Action = database.CleanText(f.Rule), database.CleanText(f.Pool), database.CleanText(f.Action)
		f.Message = database.CleanText(f.Message[:min(len(f.Message), maxMessage)])
		size += len(f.Rule) + len(f.Pool) + len(f.Action) + len(f.Message)
		if size > maxRuleFindingsBytes {
			break
		}
		kept = append(kept, f)
	}
	return kept
}

type ruleFindingsRecord struct {
	RunID    uuid.UUID `json:"run_id"`
	Attempt  int32     `json:"attempt"`
	Findings string    `json:"findings"`
}

func putRuleFindingsSQL(d database.Dialect) string {
	return `
INSERT INTO run_rule_findings (run_id, attempt, findings)
SELECT run_id, attempt, findings
FROM ` + database.RecordsOf[ruleFindingsRecord](d) + ` AS n
WHERE TRUE
ON CONFLICT (run_id, attempt) DO UPDATE
SET findings = excluded.findings`
}

// putRuleFindings stores what rules said; a later word of the same attempt counts.
func (tx *Tx) putRuleFindings(ctx context.Context, records []ruleFindingsRecord) error {
	if len(records) == 0 {
		return nil
	}
	_, err := tx.db.Exec(ctx, putRuleFindingsSQL(tx.db.Dialect()), database.ListOf(records))
	if err != nil {
		return fmt.Errorf("store what rules said: %w", err)
	}
	return nil
}

// ruleFindingsOf is the record of an attempt's findings; false where there are none.
func ruleFindingsOf(run uuid.UUID, attempt int32, findings []RuleFinding) (ruleFindingsRecord, bool, error) {
	record := ruleFindingsRecord{RunID: run, Attempt: attempt}
	if len(findings) == 0 {
		return record, false, nil
	}
	text, err := database.Structured[[]RuleFinding]{V: boundRuleFindings(findings)}.Text()
	record.Findings = text
	return record, true, err
}

// putCreationFindings stores what rules said of runs that were inserted.
func (tx *Tx) putCreationFindings(
	ctx context.Context, runs []NewRun, records []newRunRecord, inserted []uuid.UUID,
) error {
	isInserted := make(map[uuid.UUID]bool, len(inserted))
	for _, id := range inserted {
		isInserted[id] = true
	}
	var found []ruleFindingsRecord
	for i, n := range runs {
		record, some, err := ruleFindingsOf(records[i].ID, 0, n.RuleFindings)
		if err != nil {
			return err
		}
		if some && isInserted[records[i].ID] {
			found = append(found, record)
		}
	}
	return tx.putRuleFindings(ctx, found)
}

const listRuleFindingsSQL = `
SELECT attempt, findings
FROM run_rule_findings
WHERE run_id = ?
ORDER BY attempt`

// ListRuleFindings lists what rules said of a run, at its creation and then attempt by attempt.
func (q Reader) ListRuleFindings(ctx context.Context, run uuid.UUID) ([]RunRuleFinding, error) {
	var rows []struct {
		Attempt  int32                              `db:"attempt"`
		Findings database.Structured[[]RuleFinding] `db:"findings"`
	}
	if err := q.db.All(ctx, &rows, listRuleFindingsSQL, run); err != nil {
		return nil, fmt.Errorf("list what rules said of run %s: %w", run, err)
	}
	var list []RunRuleFinding
	for _, row := range rows {
		for _, f := range row.Findings.V {
			list = append(list, RunRuleFinding{RuleFinding: f, Attempt: row.Attempt})
		}
	}
	return list, nil
}
