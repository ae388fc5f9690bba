package tracing

import (
	"encoding/binary"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// config is what the environment says beside what the exporters read themselves.
type config struct {
	exporters []string // otlp and console; none: off
	protocol  string   // of otlp
	// sampled reports whether the spans of a run are sent.
	sampled func(run uuid.UUID) bool
	batch   int           // spans in one export
	every   time.Duration // between two looks for spans to send
	timeout time.Duration // of an export
	// links is false if callers' traceparent headers are ignored.
	links bool
}

// headerName is a token of HTTP.
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

const (
	protocolGRPC     = "grpc"
	protocolProtobuf = "http/protobuf"
)

// readConfig reads the environment. Tracing is on if it names an exporter or an endpoint for traces.
func readConfig(env func(string) string) (config, error) {
	get := func(name string) string { return strings.TrimSpace(env(name)) }
	c := config{protocol: protocolProtobuf, links: true}
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return c, nil
	}
	named := get("OTEL_TRACES_EXPORTER")
	if named == "" && get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")+get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		named = "otlp"
	}
	for name := range strings.SplitSeq(named, ",") {
		switch name = strings.TrimSpace(name); name {
		case "otlp", "console":
			c.exporters = append(c.exporters, name)
		case "", "none":
		default:
			return c, fmt.Errorf("OTEL_TRACES_EXPORTER names %q: want otlp, console or none", name)
		}
	}
	if len(c.exporters) == 0 {
		return c, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if value := get(name); value != "" {
			c.protocol = value
		}
	}
	if c.protocol != protocolGRPC && c.protocol != protocolProtobuf {
		return c, fmt.Errorf("unknown OTLP protocol %q: want %s or %s", c.protocol, protocolGRPC, protocolProtobuf)
	}
	if propagators := get("OTEL_PROPAGATORS"); propagators != "" {
		c.links = slices.Contains(strings.Split(strings.ReplaceAll(propagators, " ", ""), ","), "tracecontext")
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		if err := checkHeaders(name, get(name)); err != nil {
			return c, err
		}
	}
	var err error
	if c.sampled, err = readSampler(get("OTEL_TRACES_SAMPLER"), get("OTEL_TRACES_SAMPLER_ARG")); err != nil {
		return c, err
	}
	return c, c.readBatch(get)
}

// checkHeaders refuses what the exporters would leave out. Its error does not repeat the headers: they are secrets.
func checkHeaders(variable, headers string) error {
	if headers == "" {
		return nil
	}
	number := 0
	for header := range strings.SplitSeq(headers, ",") {
		number++
		name, value, found := strings.Cut(header, "=")
		_, err := url.PathUnescape(value)
		if !found || err != nil || !headerName.MatchString(strings.TrimSpace(name)) {
			return fmt.Errorf("header %d in %s is not NAME=VALUE with a URL-encoded value", number, variable)
		}
	}
	return nil
}

// readBatch reads how the batch processor of OpenTelemetry would work.
func (c *config) readBatch(get func(string) string) error {
	const most, every, timeout = 512, 5000, 30_000 // the defaults of the specification, in spans and milliseconds
	numbers := map[string]int{
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": most, "OTEL_BSP_SCHEDULE_DELAY": every, "OTEL_BSP_EXPORT_TIMEOUT": timeout,
	}
	for name := range numbers {
		text := get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return fmt.Errorf("%s is %q: want a positive number", name, text)
		}
		numbers[name] = n
	}
	c.batch = numbers["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]
	c.every = time.Duration(numbers["OTEL_BSP_SCHEDULE_DELAY"]) * time.Millisecond
	c.timeout = min(time.Duration(numbers["OTEL_BSP_EXPORT_TIMEOUT"])*time.Millisecond, exportMax)
	return nil
}

// readSampler reads the sampler. A run has no parent, so that one that asks its parent decides as its root does.
func readSampler(name, argument string) (func(uuid.UUID) bool, error) {
	switch strings.TrimPrefix(name, "parentbased_") {
	case "", "always_on":
		return func(uuid.UUID) bool { return true }, nil
	case "always_off":
		return func(uuid.UUID) bool { return false }, nil
	case "traceidratio":
		ratio := 1.0
		if argument != "" {
			var err error
			if ratio, err = strconv.ParseFloat(argument, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
				return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q: want a number from 0 to 1", argument)
			}
		}
		return func(run uuid.UUID) bool { return isWithin(run, ratio) }, nil
	}
	return nil, fmt.Errorf("unknown sampler %q in OTEL_TRACES_SAMPLER: want always_on, always_off or traceidratio, "+
		"each also with parentbased_ before it", name)
}

// isWithin decides by the last 56 bits of the ID, the ones that are random also by the specification of W3C. The sampler of the
// SDK takes the bits before as well, in which every UUID has the same variant: of a half it would sample none.
func isWithin(run uuid.UUID, ratio float64) bool {
	const bits = 56
	random := binary.BigEndian.Uint64(run[8:]) & (1<<bits - 1)
	return float64(random) < ratio*(1<<bits)
}
