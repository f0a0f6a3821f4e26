//! A node that tells its status as BIRD does: to BIRD's own client, and as calicoctl and calico-node ask and read.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::topology::{ReflectorKind, Topology};
use heddle_lab::tor::bird;

use crate::Case;
use crate::calico_readers::{self as readers, Family};
use crate::changeover::start;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case { name: "bird_ctl::as_bird_answers", needs: &[Need::Bird], run: as_bird_answers },
    Case { name: "bird_ctl::while_a_reflector_restarts", needs: &[], run: while_a_reflector_restarts },
];

/// Clients that a socket has at a time.
const CLIENTS: usize = 8;

/// What calicoctl, calico-node and its reporter ask for, and BIRD's client, of sessions that are up and one that is not any more.
fn as_bird_answers() {
    let mut topology = Topology::full_mesh(3);
    topology.pods_per_node = 1;
    let world = World::up("bird_ctl::as_bird_answers", &topology);
    let nodes = world.nodes();
    world.await_tables(&[]);
    let folder = world.fabric().host("node1").expect("it is there").path("calico");
    let (v4, v6) = (folder.join("bird.ctl"), folder.join("bird6.ctl"));
    world.stop("node1");
    let options = ["--bird-ctl", folder.to_str().expect("a path of ours")];
    let mut node = start(&world, "node1", &options);
    world.await_tables(&[]);
    world.await_sessions(&nodes);

    for (socket, others) in [(&v4, ["10.64.1.1", "10.64.1.2"]), (&v6, ["fd00:64::101", "fd00:64::102"])] {
        let mode = socket.metadata().expect("a socket").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", socket.display());
        // As a restart is over.
        wait_for("readiness as calico-node asks for it", PATIENCE, || {
            let status = ask(socket, "show status", "0013")?;
            ensure(!status.contains("0024"), || status)
        });
        let protocols = ask(socket, "show protocols", "0000").expect("an answer");
        let routes = ask(socket, "show route", "0000").expect("an answer");
        for other in others {
            let name = format!("Mesh_{}", other.replace(['.', ':'], "_"));
            let row = protocols.lines().find(|line| line.contains(&name)).unwrap_or_else(|| panic!("{protocols}"));
            let words: Vec<&str> = row.split_whitespace().collect();
            assert!(matches!(words.as_slice(), [_, "BGP", "master", "up", _, "Established"]), "{protocols}");
            let detail = ask(socket, &format!("show protocols all {name}"), "0000").expect("an answer");
            assert!(detail.contains(&format!("    Neighbor address: {other}\n")), "{detail}");
            assert!(detail.contains("  BGP state:          Established\n"), "{detail}");
            assert!(routes.contains(&format!(" via {other} on eth0 [{name} ")), "{routes}");
        }
        as_calico_reads(socket, &others);
        for own in [" blackhole [static1 ", " dev cali", " dev eth0 [direct1 "] {
            assert!(routes.contains(own), "{own:?} in {routes}");
        }
        // BIRD's own client, whose table the lab reads of nodes with BIRD.
        let shown = bird::command(socket, "show protocols all").expect("an answer");
        let sessions = bird::sessions(&shown);
        let wanted = others.map(|other| (other.to_owned(), "Established".to_owned()));
        assert_eq!(sessions, wanted, "{shown}");
    }
    let birdc = |words: &[&str]| {
        let output = Command::new("/usr/sbin/birdcl").arg("-s").arg(&v4).args(words).output().expect("birdcl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let answer = birdc(&["show", "route", "for", "10.244.0.65", "primary"]);
    assert!(answer.starts_with("BIRD v0.3.3+birdv1.6.8 ready."), "{answer}");
    assert!(answer.contains("10.244.0.64/26     via 10.64.1.1 on eth0 [Mesh_10_64_1_1 "), "{answer}");
    assert!(birdc(&["configure"]).contains("Access denied"), "{}", birdc(&["configure"]));

    clients_without_manners(&v4);
    world.kill("node3");
    wait_for("the table has what became of the session", PATIENCE, || {
        let protocols = ask(&v4, "show protocols", "0000")?;
        let row = protocols.lines().find(|line| line.contains("Mesh_10_64_1_2")).ok_or_else(|| protocols.clone())?;
        ensure(row.contains(" start ") && row.contains("Socket: "), || row.to_owned())
    });
    let lost = readers::peers(&v4, Family::V4).expect("a table");
    let lost = lost.iter().find(|peer| peer.address == "10.64.1.2").expect("the peer is in it");
    assert!(lost.state == "start" && lost.bgp_state != "Established" && lost.info.starts_with("Socket: "), "{lost:?}");
    world.revive("node3");
    world.await_tables(&[]);
    world.await_pings();

    // For calicoctl asks only if processes of these names run.
    let named = stand_ins(node.pid());
    assert_eq!(named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["bird", "bird6"]);
    node.kill().expect("it runs");
    wait_for("they end with the node", PATIENCE, || {
        let left: Vec<_> = named.iter().filter(|(_, process)| process.exists()).collect();
        ensure(left.is_empty(), || format!("{left:?}"))
    });
}

/// A node that reflects selects no routes after a restart before its clients have told theirs: until then Calico's readers hear of a restart,
/// and take the answer. (A plain node waits for nobody.)
fn while_a_reflector_restarts() {
    let mut topology = Topology::reflected(3, 1);
    topology.pods_per_node = 1;
    topology.reflectors.iter_mut().for_each(|reflector| reflector.kind = ReflectorKind::Node);
    let world = World::up("bird_ctl::while_a_reflector_restarts", &topology);
    let nodes = world.nodes();
    world.await_tables(&[]);
    let folder = world.fabric().host("rr1").expect("it is there").path("calico");
    let sockets = [folder.join("bird.ctl"), folder.join("bird6.ctl")];
    let options = ["--bird-ctl", folder.to_str().expect("a path of ours")];
    world.stop("rr1");
    let mut reflector = start(&world, "rr1", &options);
    world.await_sessions(&nodes);
    world.await_tables(&[]);
    let await_restart = |what: &str, wanted: bool| {
        for socket in &sockets {
            wait_for(what, PATIENCE, || {
                let found = readers::restarting(socket)?;
                ensure(found == wanted, || format!("{}: {found}", socket.display()))
            });
        }
    };
    await_restart("the first restart is over", false);

    // It knows that this client was there, and waits for it.
    reflector.kill().expect("it runs");
    world.kill("node2");
    reflector = start(&world, "rr1", &options);
    await_restart("a restart is under way", true);
    for (socket, family) in sockets.iter().zip([Family::V4, Family::V6]) {
        let agent = readers::agent(socket).unwrap_or_else(|error| panic!("{error}"));
        assert!(agent.ready && !agent.last_reconfiguration.is_empty(), "{agent:?}");
        assert!(readers::peers(socket, family).is_ok_and(|peers| !peers.is_empty()));
    }
    world.revive("node2");
    world.await_sessions(&nodes);
    await_restart("the restart is over", false);
    world.await_tables(&[]);
    drop(reflector);
}

/// Each of Calico's readers has of a node with these sessions what it should have.
fn as_calico_reads(socket: &Path, others: &[&str; 2]) {
    let family = if others[0].contains(':') { Family::V6 } else { Family::V4 };
    let read = |what: Result<Vec<readers::Peer>, String>| what.unwrap_or_else(|error| panic!("{error}"));
    let peers = read(readers::peers(socket, family));
    let rows = peers.iter().map(|peer| [&*peer.address, peer.kind, &*peer.state, &*peer.bgp_state, &*peer.info]);
    let wanted = others.map(|other| [other, "node-to-node mesh", "up", "Established", ""]);
    assert_eq!(rows.collect::<Vec<_>>(), wanted);
    let sessions = readers::sessions(socket, family).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(sessions.iter().map(|(peer, _, _)| peer.clone()).collect::<Vec<_>>(), peers);
    let stated: Vec<_> = sessions.iter().map(|(_, state, address)| [&**state, &**address]).collect();
    assert_eq!(stated, others.map(|other| ["Established", other]));

    let agent = readers::agent(socket).unwrap_or_else(|error| panic!("{error}"));
    assert!(agent.ready && agent.version == "v0.3.3+birdv1.6.8" && agent.router_id == "10.64.1.0", "{agent:?}");
    for time in [&agent.server_time, &agent.last_boot, &agent.last_reconfiguration] {
        assert!(time.len() == "2026-11-22 08:00:00".len() && time.starts_with("20"), "{agent:?}");
    }

    let routes = readers::routes(socket, family).unwrap_or_else(|error| panic!("{error}"));
    for other in others {
        let from = format!("NodeMesh {other}");
        let of_peer = routes.iter().filter(|route| route.learned_from == from && route.primary);
        let through = of_peer.filter(|route| route.gateway == *other && route.interface == "eth0").count();
        assert!(through > 0, "{other}: {routes:?}");
    }
    let own = |source: &str, interface: &str| {
        let own = |route: &&readers::Route| {
            (&*route.learned_from, &*route.gateway) == (source, "N/A") && route.interface.starts_with(interface)
        };
        assert!(routes.iter().any(|route| own(&route)), "{source}, {interface}: {routes:?}");
    };
    for (source, interface) in [("Static", "blackhole"), ("Kernel", "cali"), ("Direct", "eth0")] {
        own(source, interface);
    }
}

/// The processes that run beside a node's: what they are called, and their folders in /proc.
fn stand_ins(node: u32) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").expect("all processes").flatten() {
        let words = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&str> = words.split_terminator('\0').collect();
        if let [name, "--beside", of] = words.as_slice()
            && *of == node.to_string()
        {
            found.push(((*name).to_owned(), process.path()));
        }
    }
    found.sort();
    found
}

/// Silent ones, one that never reads, and one that never ends its line: the others are answered, and nobody is held up.
fn clients_without_manners(socket: &Path) {
    let connect = || UnixStream::connect(socket).expect("somebody listens");
    let mut endless = connect();
    endless.write_all(&[b'x'; 4096]).expect("it is read, or waits");
    endless.shutdown(std::net::Shutdown::Write).expect("half of it is closed");
    let mut end = String::new();
    endless.read_to_string(&mut end).expect("an answer, and the end");
    assert!(end.contains("\n9001 "), "{end}");
    let deaf = connect();
    for _ in 0..64 {
        if (&deaf).write_all(b"show protocols all\n").is_err() {
            break;
        }
    }
    let silent: Vec<UnixStream> = (0..CLIENTS - 2).map(|_| greeted(connect())).collect();
    wait_for("the last place", PATIENCE, || ask(socket, "show status", "0013"));
    // The place is given back when the server has seen the end.
    let last = wait_for("a place", PATIENCE, || hear(connect()).ok_or_else(|| "all have been given".to_owned()));
    assert!(hear(connect()).is_none(), "one more than there are places");
    drop((silent, last, deaf));
    wait_for("places again", PATIENCE, || ask(socket, "show status", "0013"));
}

/// The client, once it has been greeted; none when it is hung up on.
fn hear(stream: UnixStream) -> Option<UnixStream> {
    let mut greeting = [0; 4];
    (&stream).read_exact(&mut greeting).ok().map(|()| stream)
}

fn greeted(stream: UnixStream) -> UnixStream {
    hear(stream).expect("it is greeted")
}

/// One command, and the answer up to the line with a code.
fn ask(socket: &Path, command: &str, last: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    // As Calico's readers have it.
    stream.set_read_timeout(Some(Duration::from_secs(2))).map_err(failed)?;
    // They do not wait for the greeting.
    stream.write_all(format!("{command}\n").as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).map_err(failed)? == 0 {
            return Err(format!("the answer ends early: {answer}"));
        }
        answer.push_str(&line);
        if line.starts_with(last) {
            ensure(answer.starts_with("0001 BIRD v0.3.3+birdv1.6.8 ready.\n"), || answer.clone())?;
            return Ok(answer);
        }
    }
}
