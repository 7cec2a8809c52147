"""How well sessions match visitors."""
import collections
import math


def measure(pairs):
    """Homogeneity, completeness, V and the number of sessions of (visitor, session) pairs."""
    total = len(pairs)
    if not total:
        return 1.0, 1.0, 1.0, 0
    both = collections.Counter(pairs)
    visitors, sessions = (collections.Counter(pair[at] for pair in pairs) for at in (0, 1))

    def entropy(counts):
        return -sum(n / total * math.log(n / total) for n in counts.values())

    def conditional(counts, at):
        return -sum(n / total * math.log(n / counts[pair[at]]) for pair, n in both.items())

    h_v, h_s = entropy(visitors), entropy(sessions)
    homogeneity = 1 - conditional(sessions, 1) / h_v if h_v else 1.0
    completeness = 1 - conditional(visitors, 0) / h_s if h_s else 1.0
    both = homogeneity + completeness
    return homogeneity, completeness, 2 * homogeneity * completeness / both if both else 0.0, len(sessions)


def told(exchanges):
    """Those about which the wire says anything: they bring or issue a value that one visitor alone has.

    Equal states (two empty carts) are equal bytes: nobody can tell two visitors by them.
    """
    owners = collections.defaultdict(set)
    for exchange in exchanges:
        for value in exchange.values:
            owners[value].add(exchange.visitor)
    return [exchange for exchange in exchanges if any(len(owners[value]) == 1 for value in exchange.values)]


def by_wire(exchanges):
    """(visitor, session) of who follows each value of one visitor and sees nothing else: no address at all."""
    parents = {}

    def root(node):
        while parents.setdefault(node, node) != node:
            node = parents[node]
        return node

    owners = collections.defaultdict(set)
    for exchange in exchanges:
        for value in exchange.values:
            owners[value].add(exchange.visitor)
    for at, exchange in enumerate(exchanges):
        for value in exchange.values:
            if len(owners[value]) == 1:
                parents[root(value)] = root(at)
    return [(exchange.visitor, root(at)) for at, exchange in enumerate(exchanges)]
