package ui

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// member is a name and a value of a document, in the order in which people write them.
type member struct {
	name  string
	value any
}

// deploymentYAML is the file that `berth deploy` takes back without a change.
func deploymentYAML(d api.Deployment) (string, error) {
	schedules := []api.ScheduleSpec{}
	for _, one := range valueOf(d.Schedules) {
		schedules = append(schedules, one.Spec)
	}
	spec, err := object(
		member{"name", d.Name}, member{"pool", d.Pool}, member{"queue", d.Queue}, member{"version", d.Version},
		member{"description", d.Description}, member{"tags", d.Tags}, member{"job_variables", d.JobVariables},
		member{"parameters", d.Parameters}, member{"parameter_schema", d.ParameterSchema},
		member{"concurrency_limit", d.ConcurrencyLimit}, member{"timeout_seconds", d.TimeoutSeconds},
		member{"start_deadline_seconds", d.StartDeadlineSeconds}, member{"retries", d.Retries}, member{"frozen", d.Frozen},
		member{"schedules", schedules},
	)
	if err != nil {
		return "", err
	}
	file, err := object(member{"project", d.Project}, member{"deployments", []json.RawMessage{spec}})
	if err != nil {
		return "", err
	}
	return asYAML(file)
}

// object is a document with the members that have something in them.
func object(members ...member) (json.RawMessage, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for _, m := range members {
		text, err := plainJSON(m.value)
		if err != nil {
			return nil, err
		}
		switch string(text) {
		case `null`, `""`, `[]`, `{}`:
			continue
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:%s", m.name, text)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// plainJSON is a value without escapes that YAML does not have. Numbers keep their digits.
func plainJSON(value any) (json.RawMessage, error) {
	if raw, ok := value.(json.RawMessage); ok && len(raw) == 0 {
		return json.RawMessage("null"), nil
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return compact(encoded)
}

// compact decodes a document and writes it anew, but for the order of what is an object in it already.
func compact(document json.RawMessage) (json.RawMessage, error) {
	var out bytes.Buffer
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := copyValue(decoder, &out); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return out.Bytes(), nil
}

func copyValue(from *json.Decoder, to *bytes.Buffer) error {
	token, err := from.Token()
	if err != nil {
		return err
	}
	open, isDelim := token.(json.Delim)
	if !isDelim {
		return writeScalar(to, token)
	}
	to.WriteString(open.String())
	for first := true; from.More(); first = false {
		if !first {
			to.WriteByte(',')
		}
		if open == '{' {
			name, err := from.Token()
			if err != nil {
				return err
			}
			if err := writeScalar(to, name); err != nil {
				return err
			}
			to.WriteByte(':')
		}
		if err := copyValue(from, to); err != nil {
			return err
		}
	}
	end, err := from.Token()
	if err != nil {
		return err
	}
	fmt.Fprint(to, end)
	return nil
}

func writeScalar(to *bytes.Buffer, token any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(token); err != nil {
		return err
	}
	to.Truncate(to.Len() - 1) // the line end of Encode
	return nil
}

// asYAML writes JSON as YAML, its members in their order.
func asYAML(document json.RawMessage) (string, error) {
	parsed, err := yamldoc.Parse(document)
	if err != nil {
		return "", fmt.Errorf("read document: %w", err)
	}
	text, err := parsed.ToYAML()
	if err != nil {
		return "", fmt.Errorf("write YAML: %w", err)
	}
	return string(text), nil
}
