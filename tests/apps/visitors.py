"""What visitors do. `new(device)` gives a client of theirs."""
import random
import threading

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def land(browser):
    browser.request("GET", "/")
    browser.burst(["/asset.css", "/asset.css"])
    browser.pause()


def shop(browser, rounds=3):
    for item in range(rounds):
        browser.request("POST", "/cart", {"item": f"{browser.name}-{item}"})
        browser.burst(["/page", "/asset.css", "/"])
        browser.pause()


def reader(new):
    browser = new()
    for _ in range(4):
        land(browser)
        browser.request("GET", "/page")


def user(new):
    browser = new()
    land(browser)
    browser.request("POST", "/login", {"user": browser.name})
    shop(browser)
    browser.request("POST", "/logout", {})
    browser.burst(["/asset.css"])
    browser.request("GET", "/page")


def user_with_two_devices(new):
    user(new)
    user(lambda: new(device=2))


def two_in_turn(new):
    browser = new()
    land(browser)
    for name in ("ann", "bob"):
        browser.request("POST", "/login", {"user": name})
        shop(browser, 2)
        browser.request("POST", "/logout", {})
        browser.pause()


def moves(new):
    browser = new()
    land(browser)
    browser.request("POST", "/login", {"user": browser.name})
    shop(browser, 2)
    browser.address = "198.51.100." + browser.address.rsplit(".", 1)[1]
    shop(browser, 2)


def late(new):
    browser = new()
    land(browser)
    shop(browser, 3)
    browser.request("POST", "/login", {"user": browser.name})
    shop(browser, 1)


def mistypes(new):
    browser = new()
    land(browser)
    for name in ("mistake", "error", browser.name):
        browser.request("POST", "/login", {"user": name})
        browser.pause()
    shop(browser, 2)


VISITORS = [reader, user, user, user_with_two_devices, two_in_turn, moves, late, mistypes]


def drive(client, variant):
    """Lets all visit, six at a time. `client(name, address, agent)` makes one. `hard`: one address and User-Agent for
    all; `easy`: one each; `nat`: 20 visitors as in `hard`."""
    crowd = VISITORS if variant != "nat" else (VISITORS * 3)[:20]
    queue = list(enumerate(crowd))
    random.shuffle(queue)
    lock, failures = threading.Lock(), []

    def work():
        while True:
            with lock:
                if not queue:
                    return
                number, visit = queue.pop()

            def new(device=1):
                agent = f"{AGENT} v{number}.{device}" if variant == "easy" else AGENT
                address = "192.0.2.1" if variant != "easy" else f"192.0.2.{number + 1}"
                return client(f"v{number}.{device}", address, agent)

            try:
                visit(new)
            except Exception as error:  # in a thread nobody would see it
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if failures:
        raise RuntimeError(f"a visitor failed: {failures[0]!r}")
