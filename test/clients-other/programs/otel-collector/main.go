// The OTLP receiver of OpenTelemetry's collector, alone. It writes its address as its first line, then a line a span.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

type span struct {
	Service      string         `json:"service"`
	Scope        string         `json:"scope"`
	TraceID      string         `json:"traceId"`
	SpanID       string         `json:"spanId"`
	ParentSpanID string         `json:"parentSpanId"`
	Name         string         `json:"name"`
	Kind         string         `json:"kind"`
	Status       string         `json:"status"`
	Nanoseconds  int64          `json:"nanoseconds"`
	Attributes   map[string]any `json:"attributes"`
}

func main() {
	address, err := freeAddress()
	must(err)
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	must(confmap.NewFromStringMap(map[string]any{
		"protocols": map[string]any{"http": map[string]any{"endpoint": address}},
	}).Unmarshal(config))

	var mutex sync.Mutex
	lines := json.NewEncoder(os.Stdout)
	next, err := consumer.NewTraces(func(_ context.Context, traces ptrace.Traces) error {
		mutex.Lock()
		defer mutex.Unlock()
		return each(traces, func(s span) error { return lines.Encode(s) })
	})
	must(err)

	ctx := context.Background()
	received, err := factory.CreateTraces(ctx, receiver.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
	}, config, next)
	must(err)
	must(received.Start(ctx, componenttest.NewNopHost()))
	fmt.Printf("http://%s\n", address)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	must(received.Shutdown(ctx))
}

func each(traces ptrace.Traces, do func(span) error) error {
	for _, resource := range traces.ResourceSpans().All() {
		service, _ := resource.Resource().Attributes().Get("service.name")
		for _, scope := range resource.ScopeSpans().All() {
			for _, s := range scope.Spans().All() {
				err := do(span{
					Service:      service.AsString(),
					Scope:        scope.Scope().Name(),
					TraceID:      s.TraceID().String(),
					SpanID:       s.SpanID().String(),
					ParentSpanID: s.ParentSpanID().String(),
					Name:         s.Name(),
					Kind:         s.Kind().String(),
					Status:       s.Status().Code().String(),
					Nanoseconds:  int64(s.EndTimestamp()) - int64(s.StartTimestamp()),
					Attributes:   s.Attributes().AsRaw(),
				})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// The receiver does not tell which port the system gave it.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
