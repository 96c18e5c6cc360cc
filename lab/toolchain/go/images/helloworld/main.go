// Command helloworld answers like the helloworld sample of Istio's documents.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	instance, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "Hello version: %s, instance: %s\n", os.Getenv("SERVICE_VERSION"), instance)
	})
	http.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Helloworld is healthy")
	})
	log.Fatal(http.ListenAndServe(":5000", nil))
}
