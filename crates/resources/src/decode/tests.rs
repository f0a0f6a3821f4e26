use super::*;
use crate::*;

mod kinds;

fn documents(text: &str) -> Vec<Result<Document, InvalidObject>> {
    decode_documents(text, "f.yaml")
}

/// What is told of a text: keys of objects, `skipped …`, errors.
fn told(text: &str) -> Vec<String> {
    let told = |result| match result {
        Ok(Document::Object(decoded)) => Key::to_string(&decoded.key),
        Ok(Document::Skipped { object, api_version, .. }) => format!("skipped {api_version} {object}"),
        Err(error) => InvalidObject::to_string(&error),
    };
    documents(text).into_iter().map(told).collect()
}

/// The one object of a text, which has no notes.
fn object(text: &str) -> Object {
    let mut results = documents(text);
    assert_eq!(results.len(), 1, "{results:?}");
    match results.remove(0) {
        Ok(Document::Object(decoded)) => {
            assert_eq!(decoded.notes, [], "{text}");
            assert_eq!(decoded.key, decoded.object.key());
            decoded.object
        }
        other => panic!("{other:?}"),
    }
}

fn filter(name: &str) -> String {
    format!("apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata:\n  name: {name}\n")
}

#[test]
fn documents_of_a_file() {
    for empty in ["", "\n", "# nothing\n", "---\n", "---\n---\n# x\n---", "%YAML 1.2\n---\n", "~", "--- null\n..."] {
        assert_eq!(told(empty), Vec::<String>::new(), "{empty:?}");
    }
    let two = format!("# head\n---\n{}---\n{}", filter("a"), filter("b"));
    assert_eq!(told(&two), ["BGPFilter/a", "BGPFilter/b"]);
    assert_eq!(told(&two.replace('\n', "\r\n")), ["BGPFilter/a", "BGPFilter/b"]);
    assert_eq!(told(&format!("\u{feff}{two}")), ["BGPFilter/a", "BGPFilter/b"]);
    let ended = format!("%YAML 1.2\n---\n{}...\n---\n{}...\n", filter("a"), filter("b"));
    assert_eq!(told(&ended), ["BGPFilter/a", "BGPFilter/b"]);
    let json = r#"{"apiVersion": "projectcalico.org/v3", "kind": "BGPFilter", "metadata": {"name": "a"}}"#;
    assert_eq!(told(json), ["BGPFilter/a"]);
    // Only at the start of a line, and alone, --- ends a document.
    let within = format!("{}  annotations:\n    a: |\n      ---\n      ---x\n", filter("a"));
    let Object::BgpFilter(read) = object(&within) else { panic!("{within}") };
    assert_eq!(read.metadata.annotations.get("a"), Some("---\n---x\n"));
}

#[test]
fn a_wrong_document_leaves_the_others_alone() {
    let text = format!("{}---\nkind: BGPPeer\n  spec: x\n---\n{}", filter("a"), filter("b"));
    let told = told(&text);
    assert_eq!((told[0].as_str(), told[2].as_str(), told.len()), ("BGPFilter/a", "BGPFilter/b", 3), "{told:?}");
    assert!(told[1].starts_with("f.yaml:7:"), "{}", told[1]);
    assert!(told[1].contains("no valid YAML"), "{}", told[1]);
}

#[test]
fn errors_name_file_line_column_and_field() {
    let text = "---\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor\n  labels: x\nspec:\n  \
                ttlSecurity: 300\n  peerIP: 10.0.0.300\n";
    let expected = "f.yaml:6:11: BGPPeer/tor: metadata.labels: \"x\": write a map of fields here\n\
                    f.yaml:8:16: BGPPeer/tor: spec.ttlSecurity: \"300\": write a number from 0 to 255\n\
                    f.yaml:9:11: BGPPeer/tor: spec.peerIP: \"10.0.0.300\": no address; write 192.0.2.1, 192.0.2.1:179, \
                    2001:db8::1 or [2001:db8::1]:179";
    assert_eq!(told(text), [expected]);
}

#[test]
fn notes_name_file_line_column_and_field() {
    let text = format!("{}  colour: red\nspec:\n  exportV4:\n  - action: Accept\n    cidrs: []\n", filter("a"));
    let Ok(Document::Object(decoded)) = documents(&text).remove(0) else { panic!("{text}") };
    let notes: Vec<String> = decoded.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "f.yaml:5:3: BGPFilter/a: metadata.colour: unknown field, passed over; check how it is spelled",
            "f.yaml:9:5: BGPFilter/a: spec.exportV4[0].cidrs: unknown field, passed over; check how it is spelled",
        ]
    );
    assert_eq!(decoded.at.map(|at| at.line), Some(1));
}

#[test]
fn what_is_no_object() {
    assert_eq!(told("a"), ["f.yaml:1:1: \"a\": write a map of fields here"]);
    assert_eq!(told("[]"), ["f.yaml:1:1: write a map of fields here"]);
    assert_eq!(told("{}"), ["f.yaml:1:1: kind: is missing; write it\nf.yaml:1:1: apiVersion: is missing; write it"]);
    assert_eq!(
        told("kind: Service\napiVersion: [v1]"),
        ["f.yaml:2:13: Service/(no name): apiVersion: write text here"]
    );
    assert_eq!(
        told("kind: Service\napiVersion: v1\nkind: Pod"),
        ["f.yaml:3:1: kind is there twice, first in line 1; remove one"]
    );
    assert!(told("a: {b: [c}")[0].starts_with("f.yaml:1:"));
    assert!(told("a: *b")[0].contains("no valid YAML"));
    assert!(told("&a [*a]")[0].contains("no valid YAML"));
    assert!(told("[a]: b")[0].contains("write text here"));
}

#[test]
fn kinds_that_are_not_read_are_skipped() {
    let text =
        |api: &str, kind: &str| format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a, namespace: n}}\n");
    for (api, kind) in [
        ("v1", "ConfigMap"),
        ("serving.knative.dev/v1", "Service"),
        ("projectcalico.org/v3", "NetworkPolicy"),
        ("metallb.io/v1beta2", "BGPPeer"),
        ("v1", "NamespaceList"),
    ] {
        assert_eq!(told(&text(api, kind)), [format!("skipped {api} {kind}/n/a")]);
    }
    assert!(
        told(&text("discovery.k8s.io/v1beta1", "EndpointSlice"))[0].contains("write apiVersion: discovery.k8s.io/v1")
    );
}

/// What is most likely meant for us is an error, not skipped without a word.
#[test]
fn kinds_that_are_almost_right_are_errors() {
    let text =
        |api: &str, kind: &str| format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a, namespace: n}}\n");
    for (api, kind, remedy) in [
        (
            "projectcalico.org/v3",
            "BgpPeer",
            "f.yaml:2:7: BgpPeer/n/a: kind: \"BgpPeer\": there is no such kind; write kind: BGPPeer",
        ),
        ("projectcalico.org/v3", "IPPools", "write kind: IPPool"),
        ("crd.projectcalico.org/v1", "ippool", "write kind: IPPool"),
        ("v1", "secret", "write kind: Secret"),
        ("v1", "BGPPeer", "write apiVersion: projectcalico.org/v3"),
        ("v3", "BGPPeer", "write apiVersion: projectcalico.org/v3"),
        ("projectcalico/v3", "BGPPeer", "write apiVersion: projectcalico.org/v3"),
        ("projectcalico.org/v3", "Service", "write apiVersion: v1"),
        ("crd.projectcalico.org/v1", "Node", "write apiVersion: projectcalico.org/v3"),
        ("v1", "EndpointSlice", "write apiVersion: discovery.k8s.io/v1"),
    ] {
        let told = told(&text(api, kind));
        assert!(told.len() == 1 && told[0].ends_with(remedy), "{api} {kind}: {told:?}");
    }
}

#[test]
fn lists_stand_for_their_items() {
    let items = "items:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n  spec: {}\n- apiVersion: v1\n  kind: Pod\n  \
                 metadata: {}\n  spec: {}\n- {apiVersion: v1, kind: List, items: []}\n";
    for head in
        ["apiVersion: v1\nkind: List\n", "apiVersion: v1\nkind: ServiceList\nmetadata: {resourceVersion: \"1\"}\n"]
    {
        let told = told(&format!("{head}{items}"));
        assert_eq!(told[0], "Service/default/a");
        assert!(told[1].contains("Pod/(no name): metadata.name: is missing"), "{}", told[1]);
        assert!(told[2].starts_with("skipped v1 List"), "{}", told[2]);
    }
    assert_eq!(told("apiVersion: v1\nkind: List\nitems: null"), Vec::<String>::new());
    // What the list says, its items need not say.
    let short = "apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: a}\n  spec: {}\n- x\n";
    assert_eq!(told(short), ["Service/default/a", "f.yaml:6:3: \"x\": write a map of fields here"]);
    assert!(told(&short.replace("Service", ""))[0].contains("kind: is missing"));
}

#[test]
fn anchors_aliases_and_merge_keys() {
    let text = "apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata: {name: a}\nspec:\n  exportV4:\n  - &r\n    action: \
                Accept\n    priority: 5\n  - *r\n  - <<: *r\n    priority: 6\n";
    let Object::BgpFilter(read) = object(text) else { panic!("{text}") };
    let priorities: Vec<_> = read.spec.export_v4.iter().map(|rule| rule.priority.unwrap().get()).collect();
    assert_eq!(priorities, [5, 5, 6]);
    assert!(told("<<: a")[0].contains("write a map of fields here"));
}

#[test]
fn limits() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..9 {
        let of = format!("*a{}, ", i - 1).repeat(10);
        bomb += &format!("a{i}: &a{i} [{of}]\n");
    }
    assert!(told(&bomb)[0].contains("copy more than"), "{:?}", told(&bomb));
    // Many filters with the same hundred rules.
    let rules = "\n    - {action: Accept, matchOperator: In, cidr: 10.0.0.0/16}".repeat(100);
    let item = |n: usize| {
        let rules = if n == 0 { format!("&r{rules}") } else { "*r".to_owned() };
        format!(
            "- kind: BGPFilter\n  apiVersion: projectcalico.org/v3\n  metadata: {{name: f{n}}}\n  spec:\n    exportV4: {rules}\n"
        )
    };
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}", (0..20).map(item).collect::<String>());
    assert_eq!(told(&list).len(), 20);
    assert!(told(&list).iter().all(|what| what.starts_with("BGPFilter/f")), "{:?}", told(&list));
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let nested = |n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
        assert!(!told(&nested(tree::MAX_DEPTH - 1))[0].contains("deep"));
        assert!(told(&nested(tree::MAX_DEPTH))[0].contains("nested deeper than 100"));
        assert!(told(&nested(20_000))[0].starts_with("f.yaml:1:"), "{:?}", told(&nested(20_000)));
    }
    let deep = format!("a: &a {}{}\nb: {}*a{}", "[".repeat(60), "]".repeat(60), "[".repeat(60), "]".repeat(60));
    assert!(told(&deep)[0].contains("nested deeper than 100"));
    let mut json = serde_json::Value::Null;
    for _ in 0..tree::MAX_DEPTH {
        json = serde_json::Value::Array(vec![json]);
    }
    assert!(decode_json(&json).unwrap_err().to_string().contains("nested deeper than 100"));
    let long = format!("{}spec: {{exportV4: [{{action: {}}}]}}", filter("a"), "x".repeat(1000));
    assert!(told(&long)[0].len() < 300);
}

#[test]
fn text_and_numbers_of_yaml_and_json() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {a: true, b: 1.10, c: 010, d: \"null\", f: ''}\n\
                spec: {hostNetwork: yes}\n";
    let Object::Pod(pod) = object(text) else { panic!("{text}") };
    let labels: Vec<_> = pod.metadata.labels.iter().collect();
    assert_eq!(labels, [("a", "true"), ("b", "1.10"), ("c", "010"), ("d", "null"), ("f", "")]);
    assert_eq!(pod.network, crate::pod::PodNetwork::Host);
    let json = |labels: serde_json::Value, listen_port: serde_json::Value| {
        decode_json(&serde_json::json!({
            "apiVersion": "projectcalico.org/v3",
            "kind": "BGPConfiguration",
            "metadata": {"name": "default", "labels": labels, "managedFields": [{}]},
            "spec": {"listenPort": listen_port, "asNumber": 65000},
        }))
    };
    let Ok(Document::Object(decoded)) = json(serde_json::json!({"a": "b"}), 179.into()) else { panic!() };
    assert_eq!((decoded.notes.len(), decoded.at), (0, None));
    assert_eq!(decoded.object.metadata().labels.get("a"), Some("b"));
    let error = json(serde_json::json!({"a": 1}), serde_json::json!(1.5)).unwrap_err().to_string();
    assert!(error.contains("metadata.labels.a: \"1\": write text here"), "{error}");
    assert!(error.contains("spec.listenPort: \"1.5\": write a whole number here"), "{error}");
}

#[test]
fn metadata_of_stored_objects() {
    let stored = r#"{"labels":{"a":"b","n":1},"annotations":{"c":"d"}}"#;
    let text = |stored: &str| {
        format!(
            "apiVersion: crd.projectcalico.org/v1\nkind: BGPFilter\nmetadata:\n  name: a\n  uid: u\n  resourceVersion: 7\n  \
             labels: {{x: y}}\n  annotations: {{projectcalico.org/metadata: '{stored}'}}\n"
        )
    };
    let read = object(&text(stored));
    let metadata = read.metadata();
    assert_eq!(metadata.labels, [("a", "b")].into_iter().collect());
    assert_eq!(metadata.annotations, [("c", "d")].into_iter().collect());
    assert_eq!((metadata.uid.as_deref(), metadata.resource_version.as_deref()), (Some("u"), Some("7")));
    let Ok(Document::Object(decoded)) = documents(&text("{")).remove(0) else { panic!() };
    assert_eq!(decoded.notes.len(), 1);
    assert_eq!(decoded.object.metadata().labels.get("x"), Some("y"));
}

#[test]
fn kubectls_copy_of_the_manifest_is_not_kept() {
    let text = format!("{}  annotations: {{kubectl.kubernetes.io/last-applied-configuration: x, a: b}}\n", filter("a"));
    assert_eq!(object(&text).metadata().annotations, [("a", "b")].into_iter().collect());
}
