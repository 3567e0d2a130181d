{{/* Minor version of Kubernetes that is rendered for: as told, or else as the cluster says ("31+" at some providers). */}}
{{- define "kms.minor" -}}
{{- if $.Values.kubernetesVersion -}}
{{- index (splitList "." $.Values.kubernetesVersion) 1 -}}
{{- else -}}
{{- regexFind "^[0-9]+" $.Capabilities.KubeVersion.Minor -}}
{{- end -}}
{{- end -}}

{{/* As a container names it. */}}
{{- define "kms.image" -}}
ghcr.io/hanzoai/kms:{{ $.Values.image.version }}{{ with $.Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "kms.postgres.image" -}}
{{ $.Values.postgres.image.repository }}:{{ $.Values.postgres.image.version }}
{{- end -}}

{{- define "kms.redis.image" -}}
{{ $.Values.redis.image.repository }}:{{ $.Values.redis.image.version }}
{{- end -}}

{{/* Where the cluster's own clients reach KMS. */}}
{{- define "kms.url" -}}
{{ $.Values.tls.enabled | ternary "https" "http" }}://kms.{{ $.Release.Namespace }}.svc:8080
{{- end -}}

{{/* Where the operator finds KMS. */}}
{{- define "kms.hostApi" -}}
{{- if $.Values.hostApi -}}
{{ $.Values.hostApi }}
{{- else if $.Values.ingress.enabled -}}
https://{{ $.Values.ingress.host }}
{{- else -}}
{{ include "kms.url" $ }}
{{- end -}}
{{- end -}}

{{/* Whether that is the Service, with a certificate of an authority of one's own. */}}
{{- define "kms.hostApi.isOwn" -}}
{{- $host := get (include "kms.hostApi" $ | urlParse) "hostname" -}}
{{- if and $.Values.tls.enabled (hasPrefix (printf "kms.%s.svc" $.Release.Namespace) $host) -}}true{{- end -}}
{{- end -}}

{{/* Whether a certificate authority of a database is mounted. */}}
{{- define "kms.postgres.hasAuthority" -}}
{{- include "kms.hasAuthority" (dict "tls" $.Values.postgres.tls "made" (eq $.Values.postgres.mode "cloudnativepg")) -}}
{{- end -}}

{{- define "kms.redis.hasAuthority" -}}
{{- include "kms.hasAuthority" (dict "tls" $.Values.redis.tls "made" false) -}}
{{- end -}}

{{- define "kms.hasAuthority" -}}
{{- if kindIs "bool" $.tls.enabled -}}
{{- if $.tls.enabled -}}true{{- end -}}
{{- else if or $.tls.caSecretName $.tls.caConfigMapName $.made -}}true{{- end -}}
{{- end -}}

{{/* Its volume; CloudNativePG makes an authority of its own. */}}
{{- define "kms.postgres.authority" -}}
{{- include "kms.authority" (dict "name" "postgres-ca" "tls" $.Values.postgres.tls "made" (eq $.Values.postgres.mode "cloudnativepg" | ternary "kms-postgres-ca" "")) -}}
{{- end -}}

{{- define "kms.redis.authority" -}}
{{- include "kms.authority" (dict "name" "redis-ca" "tls" $.Values.redis.tls "made" "") -}}
{{- end -}}

{{- define "kms.authority" -}}
name: {{ $.name }}
{{- if and $.tls.caConfigMapName (not $.tls.caSecretName) }}
configMap:
  name: {{ $.tls.caConfigMapName | quote }}
{{- else }}
secret:
  secretName: {{ $.tls.caSecretName | default $.made | quote }}
{{- end }}
  items:
    - key: {{ $.tls.caKey | quote }}
      path: ca.crt
{{- end -}}

{{/* More variables of the server. */}}
{{- define "kms.environment" -}}
{{- range $name, $value := $.Values.environment }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* A budget over one replica would allow no eviction at all. */}}
{{- define "kms.availability.isThere" -}}
{{- if and $.Values.availability.enabled (gt (include "kms.fewestReplicas" $ | int) 1) -}}true{{- end -}}
{{- end -}}

{{- define "kms.fewestReplicas" -}}
{{- with $.Values.availability.autoscaling -}}{{ .minReplicas }}{{- else -}}{{ $.Values.replicas }}{{- end -}}
{{- end -}}

{{/* Whose pods reach the API. */}}
{{- define "kms.network.clients" -}}
{{- range concat (list $.Release.Namespace $.Values.networkPolicies.ingressNamespace) $.Values.networkPolicies.clientNamespaces | uniq }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Namespaces whose Secrets the operator may read and write. */}}
{{- define "kms.operator.namespaces" -}}
{{- if $.Values.operator.secretNamespaces -}}
{{- $.Values.operator.secretNamespaces | uniq | toYaml -}}
{{- else -}}
{{- $namespaces := list $.Release.Namespace -}}
{{- range $.Values.services -}}
{{- $namespaces = append $namespaces (.namespace | default $.Release.Namespace) -}}
{{- end -}}
{{- $namespaces | uniq | toYaml -}}
{{- end -}}
{{- end -}}

{{/* The namespaces of what the services' KMSSecrets name, in their order. */}}
{{- define "kms.operator.namedNamespaces" -}}
{{- $namespaces := list -}}
{{- range $.Values.services -}}
{{- $namespaces = append $namespaces (.namespace | default $.Release.Namespace) -}}
{{- if include "kms.hostApi.isOwn" $ -}}
{{- $namespaces = append $namespaces $.Release.Namespace -}}
{{- end -}}
{{- end -}}
{{- $namespaces | uniq | toYaml -}}
{{- end -}}

{{/* What they name, by namespace: all of it, the credentials that are renewed, and the Secrets that are kept. */}}
{{- define "kms.operator.named" -}}
{{- range $where := include "kms.operator.namedNamespaces" $ | fromYamlArray }}
{{- $all := list -}}
{{- $renewed := list -}}
{{- $kept := list -}}
{{- if and (include "kms.hostApi.isOwn" $) (eq $where $.Release.Namespace) -}}
{{- $all = append $all $.Values.tls.secretName -}}
{{- end -}}
{{- range $.Values.services -}}
{{- if eq $where (.namespace | default $.Release.Namespace) -}}
{{- $credentials := printf "%s-kms-auth" .name -}}
{{- $secret := printf "%s-secrets" .name -}}
{{- $all = append (append $all $credentials) $secret -}}
{{- $kept = append $kept $secret -}}
{{- if .renewal -}}{{- $renewed = append $renewed $credentials -}}{{- end -}}
{{- end -}}
{{- end }}
{{ $where | quote }}: {{ dict "all" ($all | uniq | sortAlpha) "renewed" ($renewed | uniq | sortAlpha) "kept" ($kept | uniq | sortAlpha) | toJson }}
{{- end }}
{{- end -}}

{{- define "kms.operator.watched" -}}
{{- include ($.Values.operator.onlyNamed | ternary "kms.operator.namedNamespaces" "kms.operator.namespaces") $ | fromYamlArray | join "," -}}
{{- end -}}

{{/* Where client secrets are sent, and nowhere else. */}}
{{- define "kms.operator.hosts" -}}
{{- concat (list (include "kms.hostApi" $) (include "kms.url" $)) $.Values.operator.hosts | uniq | join "," -}}
{{- end -}}

{{- define "kms.operator.byName" -}}
{{- if $.Values.operator.onlyNamed }}
- name: SECRETS_BY_NAME
  value: {{ include "kms.operator.namedNamespaces" $ | fromYamlArray | join "," | quote }}
{{- end }}
{{- end -}}

{{/*
Helm asks the API server about every kind before it sends the first object: where the definition of KMSSecret comes with this very
release, KMSSecrets have to wait for the next one. Rendered without a cluster they are there; so they are where the definition is to
come from elsewhere, and is missed aloud.
*/}}
{{- define "kms.services.areServed" -}}
{{- $isCluster := $.Capabilities.APIVersions.Has "apiregistration.k8s.io/v1" -}}
{{- if or (not $isCluster) (not $.Values.crd.enabled) ($.Capabilities.APIVersions.Has "secrets.lux.network/v1alpha1") -}}true{{- end -}}
{{- end -}}
