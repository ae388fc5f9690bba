package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/berth-dev/berth/templating/internal/value"
)

// Prefix is what every label, annotation and finalizer of Berth begins with. Templates cannot set them.
const Prefix = "berth.dev/"

// Labels on Jobs. Their pods have the first three, by which workers select them.
const (
	LabelInstallation = Prefix + "installation"
	LabelRunID        = Prefix + "run-id"
	LabelAttempt      = Prefix + "attempt"
	LabelPool         = Prefix + "pool"
	LabelDeployment   = Prefix + "deployment"
	// LabelReleased is on Jobs whose finalizer was taken off: workers no longer watch them.
	LabelReleased = Prefix + "released"

	LabelAppName      = "app.kubernetes.io/name"
	LabelAppComponent = "app.kubernetes.io/component"
	LabelAppManagedBy = "app.kubernetes.io/managed-by"

	// LabelKueueQueue is Kueue's: suspending and resuming a Job that carries it is Kueue's alone.
	LabelKueueQueue = "kueue.x-k8s.io/queue-name"
)

// Values of the app.kubernetes.io labels, where the template sets none.
const (
	AppName      = "berth-run"
	AppComponent = "run"
	AppManagedBy = "berth"
)

// Annotations on Jobs.
const (
	AnnotationLeaseEpoch      = Prefix + "lease-epoch"
	AnnotationTemplateVersion = Prefix + "template-version"
	// AnnotationJobContainer names the container whose exit is the run's.
	AnnotationJobContainer = Prefix + "job-container"
	// AnnotationTTL holds ttlSecondsAfterFinished until the outcome is recorded.
	AnnotationTTL = Prefix + "ttl"
	// AnnotationRunName and AnnotationQueue hold in full what labels can only hold as a slug.
	AnnotationRunName = Prefix + "run-name"
	AnnotationQueue   = Prefix + "queue"
	// AnnotationStreamOutput is "false" where the template switches following the output off; a successor
	// reads it there.
	AnnotationStreamOutput = Prefix + "stream-output"
	// AnnotationPolicy holds what the template says of how its runs are looked after.
	AnnotationPolicy = Prefix + "policy"
	// AnnotationSecret names the Secret of the attempt, where it has one.
	AnnotationSecret = Prefix + "secret"
	// AnnotationShape is the Shape of the Job on each of its pods, unless it is OnePod: it outlives the Job.
	AnnotationShape = Prefix + "job-shape"
)

// Finalizer keeps a Job until its outcome is recorded. It is on Jobs only, never on pods.
const Finalizer = "berth.dev/job-tracking"

// Environment variables of the containers.
const (
	EnvPrefix     = "BERTH_"
	EnvRunID      = EnvPrefix + "RUN_ID"
	EnvRunName    = EnvPrefix + "RUN_NAME"
	EnvAttempt    = EnvPrefix + "ATTEMPT"
	EnvDeployment = EnvPrefix + "DEPLOYMENT"
	EnvWorkPool   = EnvPrefix + "WORK_POOL"
	EnvParameters = EnvPrefix + "PARAMETERS"
	// The scheduled time in UTC, the date that it is in the time zone of the schedule, and that zone.
	EnvScheduledTime     = EnvPrefix + "SCHEDULED_TIME"
	EnvScheduledDate     = EnvPrefix + "SCHEDULED_DATE"
	EnvScheduledTimezone = EnvPrefix + "SCHEDULED_TIMEZONE"
	EnvAPIURL            = EnvPrefix + "API_URL"
	EnvAPIKey            = EnvPrefix + "API_KEY"
	// EnvTraceparent is where libraries for OpenTelemetry look for the parent of their spans.
	EnvTraceparent = "TRACEPARENT"
)

const (
	maxReadable   = 40 // characters of a Job's name that are for people
	tailLength    = 12
	base32        = "abcdefghijklmnopqrstuvwxyz234567"
	maxLabelValue = 63
)

// JobName is the name of an attempt's Job, the same for everyone who tries to create it: a slug of the run's
// name, twelve characters of the random tail of its id, and the attempt. It is a DNS label of at most 63
// characters.
func JobName(runName string, runID uuid.UUID, attempt int) string {
	readable := Slug(runName, maxReadable)
	if readable == "" {
		readable = "run"
	}
	return readable + "-" + tail(runID) + "-" + strconv.Itoa(attempt)
}

// tail writes the low 60 bits of an id, which are random in every version of UUID that is in use.
func tail(id uuid.UUID) string {
	bits := binary.BigEndian.Uint64(id[8:])
	var out [tailLength]byte
	for i := tailLength - 1; i >= 0; i-- {
		out[i] = base32[bits&31]
		bits >>= 5
	}
	return string(out[:])
}

// Slug makes a lower-case DNS label of at most limit characters out of any text; it is empty when nothing of
// the text can be used.
func Slug(s string, limit int) string { return value.Slug(s, limit) }

// LabelValue makes a valid label value out of any text that says something: accents are dropped, and what is
// not allowed becomes one hyphen. A text of which nothing is left, or that is too long, gets a hash, so that two
// names stay two values.
func LabelValue(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFD.String(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			if gap {
				b.WriteByte('-')
			}
			b.WriteRune(r)
			gap = false
		case unicode.Is(unicode.Mn, r): // an accent of the letter before
		default:
			gap = true
		}
	}
	value := strings.Trim(b.String(), "-_.")
	if len(value) <= maxLabelValue && (value != "" || strings.TrimSpace(s) == "") {
		return value
	}
	sum := sha256.Sum256([]byte(s))
	start := strings.TrimRight(value[:min(len(value), maxLabelValue-9)], "-_.")
	return strings.TrimLeft(start+"-"+hex.EncodeToString(sum[:4]), "-")
}
