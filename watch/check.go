package watch

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// HealthChecks are the checks of an instance or a node.
type HealthChecks []*HealthCheck

// AggregatedStatus is the worst status of the checks: maintenance, critical, warning, then passing. A check is one of
// maintenance when its id is "_node_maintenance" or begins with "_service_maintenance:".
func (h HealthChecks) AggregatedStatus() string {
	worst := 0
	for _, c := range h {
		if c.CheckID == "_node_maintenance" || strings.HasPrefix(c.CheckID, "_service_maintenance:") {
			return StatusMaintenance
		}
		worst = max(worst, slices.Index(bySeverity, c.Status))
	}
	return bySeverity[worst]
}

var bySeverity = []string{StatusPassing, StatusWarning, StatusCritical}

// A HealthCheck is one check of a node, or of an instance where ServiceID is set.
type HealthCheck struct {
	Node        string
	CheckID     string
	Name        string
	Status      string
	Notes       string
	Output      string
	ServiceID   string
	ServiceName string
	ServiceTags []string
	Type        string
	Namespace   string `json:",omitempty"`
	Partition   string `json:",omitempty"`
	ExposedPort int    // of the listener through which a proxy lets the check in, 0 for none
	PeerName    string `json:",omitempty"` // the peer that the check was imported from
	Definition  CheckDefinition

	CreateIndex, ModifyIndex uint64
}

// A CheckDefinition is how a check is done, as far as it was registered with it. Its durations are there twice, as
// templates may read them: SetDurations sets both.
type CheckDefinition struct {
	HTTP                                   string
	Header                                 map[string][]string
	Method                                 string
	Body                                   string
	TLSServerName                          string
	TLSSkipVerify                          bool
	TCP                                    string
	TCPUseTLS                              bool
	UDP                                    string
	GRPC                                   string
	OSService                              string
	GRPCUseTLS                             bool
	IntervalDuration                       time.Duration `json:"-"`
	TimeoutDuration                        time.Duration `json:"-"`
	DeregisterCriticalServiceAfterDuration time.Duration `json:"-"`
	SessionName                            string        `json:",omitempty"`

	Interval, Timeout, DeregisterCriticalServiceAfter CheckDuration
}

// SetDurations sets the durations, each in both of its fields.
func (d *CheckDefinition) SetDurations(interval, timeout, deregister time.Duration) {
	d.IntervalDuration, d.Interval = interval, CheckDuration(interval)
	d.TimeoutDuration, d.Timeout = timeout, CheckDuration(timeout)
	d.DeregisterCriticalServiceAfterDuration, d.DeregisterCriticalServiceAfter = deregister, CheckDuration(deregister)
}

// MarshalJSON writes a definition as consul-template does, the durations first. The receiver is a pointer as it is there: a
// template that passes a definition alone to toJSON has a copy, which is written in the order of its fields.
func (d *CheckDefinition) MarshalJSON() ([]byte, error) {
	type fields CheckDefinition
	return json.Marshal(struct {
		Interval, Timeout, DeregisterCriticalServiceAfter string
		*fields
	}{d.Interval.String(), d.Timeout.String(), d.DeregisterCriticalServiceAfter.String(), (*fields)(d)})
}

// UnmarshalJSON reads a definition as Consul writes it.
func (d *CheckDefinition) UnmarshalJSON(text []byte) error {
	type fields CheckDefinition
	if err := json.Unmarshal(text, (*fields)(d)); err != nil {
		return err
	}
	d.SetDurations(time.Duration(d.Interval), time.Duration(d.Timeout), time.Duration(d.DeregisterCriticalServiceAfter))
	return nil
}

// A CheckDuration is a duration that is a text such as "10s" in JSON.
type CheckDuration time.Duration

// String is the duration with its units.
func (d *CheckDuration) String() string { return time.Duration(*d).String() }

// MarshalJSON writes the duration as a text.
func (d *CheckDuration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a text such as "10s", or a number of nanoseconds. An empty text is no time at all.
func (d *CheckDuration) UnmarshalJSON(text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	switch v := value.(type) {
	case string:
		if v == "" {
			*d = 0
			return nil
		}
		parsed, err := time.ParseDuration(v)
		*d = CheckDuration(parsed)
		return err
	case float64:
		*d = CheckDuration(v)
	}
	return nil
}
