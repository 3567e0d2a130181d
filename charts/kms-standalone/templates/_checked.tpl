{{/* What the schema cannot say: what is wrong between two values, all of it at once. */}}
{{- define "kms.checked" -}}
{{- $wrong := list -}}
{{- if has $.Release.Namespace $.Values.namespaces -}}
{{- $wrong = append $wrong (printf "namespaces: %s holds the root key: it is made before, and is not to go with the rest" $.Release.Namespace) -}}
{{- end -}}
{{- $places := list -}}
{{- range $.Values.services -}}
{{- $place := printf "%s/%s" (.namespace | default $.Release.Namespace) .name -}}
{{- if has $place $places -}}{{- $wrong = append $wrong (printf "services: %s is there twice" $place) -}}{{- end -}}
{{- $places = append $places $place -}}
{{- end -}}
{{- $own := list $.Values.existingSecret "kms-postgres-auth" "kms-redis-auth" -}}
{{- $token := $.Values.kms.autoBootstrap.secretDestination.name -}}
{{- $hasToken := $.Values.kms.autoBootstrap.additionalOrganizationsTokenSecretKey -}}
{{- if and $hasToken (has $token $own) -}}{{- $wrong = append $wrong (printf "kms.autoBootstrap.secretDestination.name: the Secret %s is of KMS itself" $token) -}}{{- end -}}
{{- $own = concat $own (list $.Values.tls.secretName $.Values.ingress.tlsSecretName) ($hasToken | empty | ternary list (list $token)) -}}
{{- range $.Values.services -}}
{{- if eq (.namespace | default $.Release.Namespace) $.Release.Namespace -}}
{{- range $secret := list (printf "%s-secrets" .name) (printf "%s-kms-auth" .name) -}}
{{- if has $secret $own -}}{{- $wrong = append $wrong (printf "services: the Secret %s is of KMS itself" $secret) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $.Values.operator.onlyNamed -}}
{{- if not $.Values.services -}}{{- $wrong = append $wrong "operator.onlyNamed: names nothing: there are no services" -}}{{- end -}}
{{- if $.Values.operator.secretNamespaces -}}{{- $wrong = append $wrong "operator.secretNamespaces: opens whole namespaces, and onlyNamed is set: choose one" -}}{{- end -}}
{{- end -}}
{{- $fewest := include "kms.fewestReplicas" $ | int -}}
{{- if and $.Values.availability.enabled (ge ($.Values.availability.minAvailable | int) $fewest) (gt $fewest 1) -}}
{{- $wrong = append $wrong (printf "availability.minAvailable: allows no eviction: there are %d replicas" $fewest) -}}
{{- end -}}
{{- with $.Values.availability.autoscaling -}}
{{- if gt (.minReplicas | int) (.maxReplicas | int) -}}{{- $wrong = append $wrong "availability.autoscaling: minReplicas is above maxReplicas" -}}{{- end -}}
{{- end -}}
{{- if and (eq $.Values.postgres.mode "cloudnativepg") (not $.Values.postgres.backup) -}}
{{- $wrong = append $wrong "postgres.backup: is needed with cloudnativepg" -}}
{{- end -}}
{{- range $name := list "postgres" "redis" -}}
{{- $store := get $.Values $name -}}
{{- $tls := $store.tls -}}
{{- if and $tls.caSecretName $tls.caConfigMapName -}}{{- $wrong = append $wrong (printf "%s.tls.caConfigMapName: is beside caSecretName: name one of them" $name) -}}{{- end -}}
{{- if and (kindIs "bool" $tls.enabled) (not $tls.enabled) (or $tls.caSecretName $tls.caConfigMapName) -}}{{- $wrong = append $wrong (printf "%s.tls.enabled: is false, and an authority is named" $name) -}}{{- end -}}
{{- if and $tls.enabled (eq $store.mode "external") (not (or $tls.caSecretName $tls.caConfigMapName)) -}}
{{- $wrong = append $wrong (printf "%s.tls.caSecretName: name it, or caConfigMapName: whose certificates are to be trusted" $name) -}}
{{- end -}}
{{- if and $tls.enabled (has $store.mode (list "bundled" "none")) -}}{{- $wrong = append $wrong (printf "%s.tls.enabled: is not for mode %s" $name $store.mode) -}}{{- end -}}
{{- end -}}
{{- $boot := $.Values.kms.autoBootstrap -}}
{{- if and $boot.enabled (not $boot.inventory) -}}
{{- if not $boot.additionalOrganizations -}}{{- $wrong = append $wrong "kms.autoBootstrap.additionalOrganizations: name one, or give an inventory: there is nothing to make" -}}{{- end -}}
{{- if not $boot.additionalOrganizationAdminEmails -}}{{- $wrong = append $wrong "kms.autoBootstrap.additionalOrganizationAdminEmails: name one, or give an inventory: somebody has to be the first admin" -}}{{- end -}}
{{- if $.Values.services -}}{{- $wrong = append $wrong "kms.autoBootstrap.inventory: the identities of the services are to be in one" -}}{{- end -}}
{{- end -}}
{{- $resources := dict "resources" $.Values.resources "operator.resources" $.Values.operator.resources "kms.autoBootstrap.resources" $boot.resources -}}
{{- range $name, $of := $resources -}}
{{- range $kind := list "memory" "cpu" -}}
{{- $request := get $of.requests $kind -}}
{{- $limit := get $of.limits $kind -}}
{{- if gt (include "kms.amount" $request | float64) (include "kms.amount" $limit | float64) -}}
{{- $wrong = append $wrong (printf "%s.requests.%s: %s is above the limit, which is %s" $name $kind $request $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $wrong -}}{{- fail (printf "\n  %s" (join "\n  " .)) -}}{{- end -}}
{{- end -}}

{{- define "kms.amount" -}}
{{- $units := dict "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- $unit := regexFind "[a-zA-Z]+$" . -}}
{{- mulf (trimSuffix $unit . | float64) (get $units $unit | default 1.0) -}}
{{- end -}}
