#!/usr/bin/env bash
# Records real traffic between two hosts into a capture for `npm start` and the tests. Needs root.
#
# Usage: sudo scripts/record.sh FILE.pcap
#
# The hosts are two network namespaces, joined by a veth pair with a VLAN on it. Each has its own network stack: what is
# recorded is what Linux sends. Addresses are those for documentation, so that the capture does not tell where it was
# made.

set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: sudo scripts/record.sh FILE.pcap" >&2
  exit 2
fi
out=$1
programs=$(cd "$(dirname "$0")" && pwd)/record.py

# Debian's package of each tool.
missing=""
while read -r tool package; do
  command -v "$tool" > /dev/null || missing+=" $tool ($package)"
done << 'TOOLS'
ip iproute2
tcpdump tcpdump
ethtool ethtool
dnsmasq dnsmasq-base
ping iputils-ping
curl curl
python3 python3
sysctl procps
taskset util-linux
TOOLS
if [ -n "$missing" ]; then
  echo "record.sh: missing:$missing" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "record.sh: network namespaces need root" >&2
  exit 1
fi

# A frame gets its time on the processor that sends or receives it, and then waits for its turn to be recorded: with
# several processors, some would be recorded out of order.
taskset -cp "$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')" $$ > /dev/null

# With the process in their names, these are nobody else's. The devices are made inside, so no name outside is taken.
A=skbuff-record-$$-a
B=skbuff-record-$$-b
work=$(mktemp -d)
made=()

cleanup() {
  for ns in "${made[@]}"; do
    # A namespace with processes in it would outlive its name.
    ip netns pids "$ns" | xargs -r kill 2> /dev/null || true
    ip netns del "$ns" || true
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

in_a() { in_namespace "$A" "$@"; }
in_b() { in_namespace "$B" "$@"; }

# Runs a command there, with name servers of our own: the host's would be out of reach, and tell its search domain.
in_namespace() {
  # ip gives the command a mount namespace, so what is mounted is seen by nobody else.
  # shellcheck disable=SC2016 # The inner shell expands these.
  ip netns exec "$1" sh -c '
    mount --bind "$0/resolv.conf" /etc/resolv.conf
    mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf
    exec "$@"' "$work" "${@:2}"
}

# Waits for background jobs, and fails if one did; a bare wait would hide that.
wait_all() {
  local pid
  for pid in "$@"; do wait "$pid"; done
}

# Tries a command for five seconds.
eventually() {
  local try
  for try in {1..100}; do
    if "$@"; then return; fi
    sleep 0.05
  done
  echo "record.sh: waited in vain ($try times) for: $*" >&2
  return 1
}

# Checksums and segments are made by the stack, before frames are recorded. With offloads it would leave both to the
# other end of the pair, which needs neither: the capture would have wrong checksums, and frames that no wire carries.
plain_frames() {
  ip netns exec "$1" ethtool -K "$2" rx off tx off sg off tso off gso off gro off > /dev/null
}

### The hosts

echo "hosts: dns" > "$work/nsswitch.conf"
echo "nameserver 192.0.2.2" > "$work/resolv.conf"

for ns in "$A" "$B"; do
  ip netns add "$ns"
  made+=("$ns")
  # No router is there to answer. Link-local addresses come from the MAC addresses below, and nothing else.
  # Reno is part of every kernel; what else may be the default is not.
  ip netns exec "$ns" sysctl -qw net.ipv6.conf.default.{accept_ra=0,router_solicitations=0,use_tempaddr=0} \
    net.ipv6.conf.default.addr_gen_mode=0 net.ipv4.tcp_congestion_control=reno
  ip -n "$ns" link set lo up
done

ip link add name wire address 02:00:00:00:00:01 netns "$A" type veth \
  peer name wire address 02:00:00:00:00:02 netns "$B"

# vlan100 is a tap, and record.py tags its frames: so the script needs no kernel that has 802.1Q built in. Like any
# VLAN device it has the MAC address of the device below.
for i in 1 2; do
  ns=${made[i - 1]}
  ip -n "$ns" tuntap add dev vlan100 mode tap
  ip -n "$ns" link set vlan100 address "02:00:00:00:00:0$i"
  plain_frames "$ns" wire
  plain_frames "$ns" vlan100
  ip -n "$ns" link set wire mtu 9000
  ip -n "$ns" address add "192.0.2.$i/24" dev wire
  ip -n "$ns" address add "2001:db8::$i/64" dev wire
  ip -n "$ns" address add "198.51.100.$i/24" dev vlan100
  ip -n "$ns" address add "2001:db8:1::$i/64" dev vlan100
done

### The recording

# It begins while the other end is down: so the first frames are in it, with which IPv6 looks for duplicate addresses.
ip -n "$A" link set wire up
# Immediate mode hands frames over one by one; else the last ones might wait in a block while tcpdump is told to end.
ip netns exec "$A" tcpdump -i wire -n -s 0 -B 16384 --immediate-mode --time-stamp-precision=nano -U -Z root \
  -w "$work/capture.pcap" 2> "$work/tcpdump.log" &
recorder=$!
eventually grep -q "listening on" "$work/tcpdump.log"
# Not earlier: libpcap makes room for frames of the MTU that it finds, and would cut the jumbo frames that come later.
for ns in "$A" "$B"; do ip -n "$ns" link set wire mtu 1500; done
ip -n "$B" link set wire up

for ns in "$A" "$B"; do
  ip netns exec "$ns" python3 "$programs" vlan vlan100 wire 100 & disown
  ip -n "$ns" link set vlan100 up
  ip netns exec "$ns" python3 "$programs" serve "$work/ready-$ns" & disown
done
# Addresses that are still being checked for duplicates can't be used.
settled() { [ -e "$work/ready-$1" ] && [ -z "$(ip -n "$1" -6 address show tentative)" ]; }
eventually settled "$A"
eventually settled "$B"

# Returns when it listens. It knows only the names given here.
in_b dnsmasq --conf-file=/dev/null --user=root --group=root --pid-file= --no-resolv --no-hosts --local=/example/ \
  --bind-interfaces --listen-address=192.0.2.2,2001:db8::2 \
  --host-record=plain.example,192.0.2.2,2001:db8::2 --host-record=tagged.example,198.51.100.2,2001:db8:1::2 \
  --host-record=ip4.example,192.0.2.2 --cname=www.example,plain.example

### The traffic

fetch() { in_a curl --fail --silent --show-error --max-time 30 -o /dev/null "$@"; }
head -c 80000 /dev/urandom > "$work/body"

echo "names" >&2
for server in 192.0.2.2 2001:db8::2; do
  echo "nameserver $server" > "$work/resolv.conf"
  for name in plain.example tagged.example ip4.example www.example; do
    in_a getent ahosts "$name" > /dev/null
  done
  # No such name; and one that this server does not answer for.
  for name in missing.example elsewhere.test; do
    if in_a getent ahosts "$name" > /dev/null; then exit 1; fi
  done
done
echo "nameserver 192.0.2.2" > "$work/resolv.conf"

echo "ping" >&2
for host in 192.0.2.2 2001:db8::2 198.51.100.2 2001:db8:1::2; do
  # Those beyond 1472 are sent in fragments.
  for size in 0 1 56 1000 1452 1472 1473 4000; do
    in_a ping -q -n -c 1 -s "$size" "$host" > /dev/null
  done
done
in_b ping -q -n -c 3 -i 0.01 192.0.2.1 > /dev/null
in_b ping -q -n -c 3 -i 0.01 2001:db8::1 > /dev/null
# An IPv4 header with options, and a type of service.
in_a ping -q -n -c 2 -i 0.01 -R 192.0.2.2 > /dev/null
in_a ping -q -n -c 2 -i 0.01 -Q 0xb8 192.0.2.2 > /dev/null

echo "nobody there" >&2
for host in 192.0.2.2 2001:db8::2 198.51.100.2 2001:db8:1::2; do
  # Ports that nobody listens on: ICMP says so for UDP, a reset for TCP.
  in_a bash -c "echo 'Is anybody there?' > /dev/udp/$host/33434"
  if in_a bash -c ": > /dev/tcp/$host/81" 2> /dev/null; then exit 1; fi
done
# An address that nobody has: requests without an answer.
if in_a ping -q -n -c 1 -W 1 192.0.2.77 > /dev/null; then exit 1; fi
if in_a ping -q -n -c 1 -W 1 2001:db8::77 > /dev/null; then exit 1; fi

echo "http" >&2
for round in {1..6}; do
  # Several at a time, so that flows interleave. Each fetches several things over one connection.
  jobs=()
  for name in plain tagged; do
    for family in -4 -6; do
      fetch "$family" "http://$name.example/text/[$((round * 20))-2000:900]" & jobs+=($!)
      fetch "$family" "http://$name.example/bytes/$((round * round * 100))" & jobs+=($!)
    done
  done
  wait_all "${jobs[@]}"
done
if fetch http://www.example/missing 2> /dev/null; then exit 1; fi

echo "udp" >&2
in_a python3 "$programs" streams 192.0.2.2 2001:db8::2 198.51.100.2 2001:db8:1::2
in_b python3 "$programs" streams 192.0.2.1

echo "large transfers" >&2
# Neighbours are looked for once more.
ip -n "$A" neigh flush all
jobs=()
fetch -4 http://plain.example/bytes/60000 & jobs+=($!)
fetch -6 -T "$work/body" http://plain.example/ & jobs+=($!)
wait_all "${jobs[@]}"

echo "jumbo frames" >&2
for ns in "$A" "$B"; do
  ip -n "$ns" link set wire mtu 9000
  ip -n "$ns" link set vlan100 mtu 9000
done
for host in 192.0.2.2 2001:db8::2; do
  for size in 8952 12000; do
    in_a ping -q -n -c 1 -s "$size" "$host" > /dev/null
  done
done
fetch -4 -T "$work/body" http://plain.example/
fetch -6 http://plain.example/bytes/100000
fetch -4 http://tagged.example/bytes/50000
in_a python3 "$programs" jumbo-streams 192.0.2.2

### The end

sleep 1
kill "$recorder"
wait "$recorder"
if ! grep -q "^0 packets dropped by kernel" "$work/tcpdump.log"; then
  cat "$work/tcpdump.log" >&2
  exit 1
fi

if command -v tshark > /dev/null; then
  options=()
  wrong="frame.cap_len < frame.len or frame.time_delta < 0"
  for protocol in ip tcp udp; do options+=(-o "$protocol.check_checksum:TRUE"); done
  for protocol in ip tcp udp icmp icmpv6; do wrong+=" or $protocol.checksum.status == Bad"; done
  if ! tshark -n -r "$work/capture.pcap" "${options[@]}" -Y "$wrong" > "$work/wrong" 2> "$work/tshark.log"; then
    cat "$work/tshark.log" >&2
    exit 1
  fi
  if [ -s "$work/wrong" ]; then
    echo "record.sh: frames that are cut, out of order, or have a wrong checksum:" >&2
    cat "$work/wrong" >&2
    exit 1
  fi
else
  echo "record.sh: no tshark, so nobody looked for wrong checksums" >&2
fi

# Only now: a recording that failed leaves the one that is there.
cp "$work/capture.pcap" "$out"
tail -n 3 "$work/tcpdump.log" >&2
