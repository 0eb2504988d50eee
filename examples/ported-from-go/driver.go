// The driver in Go, as it was. driver.ts beside it is the same, line by line.
package main

import (
	"encoding/json"
	"log"

	runtime "github.com/open-ug/conveyor/pkg/driver-runtime"
	logger "github.com/open-ug/conveyor/pkg/driver-runtime/log"
	"github.com/open-ug/conveyor/pkg/types"
)

type Greeting struct {
	Name string `json:"name"`
	Spec struct {
		Language string `json:"language"`
	} `json:"spec"`
}

func Reconcile(payload string, event string, runID string, logger *logger.DriverLogger) types.DriverResult {
	var greeting Greeting
	if err := json.Unmarshal([]byte(payload), &greeting); err != nil {
		return types.DriverResult{Success: false, Message: "cannot read the payload: " + err.Error()}
	}
	logger.Log(map[string]string{"event": event}, "Greeting "+greeting.Name+" in run "+runID)
	word, ok := map[string]string{"en": "Hello", "lg": "Gyebaleko", "fr": "Bonjour"}[greeting.Spec.Language]
	if !ok {
		return types.DriverResult{Success: false, Message: "unknown language " + greeting.Spec.Language}
	}
	return types.DriverResult{Success: true, Message: word + ", " + greeting.Name, Data: map[string]any{"word": word}}
}

func main() {
	driver := &runtime.Driver{
		Name:      "greeter",
		Resources: []string{"greeting"},
		Reconcile: Reconcile,
	}
	manager, err := runtime.NewDriverManager(driver, []string{"create", "update"})
	if err != nil {
		log.Fatal(err)
	}
	if err := manager.Run(); err != nil {
		log.Fatal(err)
	}
}
