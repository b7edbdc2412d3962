#!/usr/bin/env python3
"""Rejects TwiML that Twilio's own Python library could not have generated.

    check_twiml.py FILE_OR_DIR...      *.xml, and *.snap of the Rust crate `insta`; directories are searched
    check_twiml.py --self-test

Every accepted document passes these checks:

1. Grammar. Each element is in a place where a method of `twilio.twiml.voice_response` would put it, and its attributes
   and text are named parameters of that method. The grammar is derived from the installed library.
2. Rebuilding. Rebuilt by calling these methods with its attributes and texts, the document has the same canonical XML.
   This check is independent of (1) except for the library, so it would reveal a mistake in (1), and vice versa.
3. Values, which the library does not validate: enumerations, booleans, integers, phone numbers, URLs, sizes, and verbs
   that are never reached. --self-test compares the enumerations with the docstrings of the library's REST classes.

Not checked: whether a URL responds, whether a call flow makes sense, and white space at the ends of texts.
Exit status: 0 if all documents are accepted, 1 if one is rejected or if an argument contains no document.
Needs `twilio` 9; `pip install --no-deps` is enough, as its TwiML classes import nothing but the standard library.
"""

import functools
import inspect
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Iterator, NamedTuple

import twilio
from twilio.twiml import TwiML, TwiMLException
from twilio.twiml.voice_response import VoiceResponse

MAX_BYTES, MAX_URL, MAX_SAY, MAX_NOUNS = 64 * 1024, 4_000, 4_096, 10
XML_NAMESPACE = "{http://www.w3.org/XML/1998/namespace}"  # ElementTree's name for the prefix of xml:lang
ENDS = {"Hangup", "Redirect", "Reject"}  # verbs after these are never reached
E164 = re.compile(r"\+[1-9][0-9]{1,14}")
URL, NO_URL = re.compile("[!-~]{1,%d}" % MAX_URL), f"is not a URL of up to {MAX_URL} characters"

BOOLEANS = set("""hangupOnStar answerOnBridge sequential playBeep transcribe profanityFilter bargeIn debug enhanced
    actionOnEmptyResult muted startConferenceOnEnter endConferenceOnExit copyParentTo requireMatchingInputs""".split())
# Twilio also accepts loop="0" (repeat indefinitely), which is rejected here: nothing may be repeated indefinitely.
INTEGERS = set("""timeout numDigits maxLength timeLimit length loop maxSpeechTime maxParticipants maxQueueSize
    maxAttempts machineDetectionTimeout""".split())
# (element or * for any, attribute) -> the tokens, and the docstring of the library that lists the same ones (module
# below rest/api/v2010/account, parameter). An exact element takes precedence. Without a source, the library lists none.
CALL, PARTICIPANT = "call/__init__.py", "conference/participant.py"
ENUMERATIONS = {
    ("*", "statusCallbackEvent"): ("initiated ringing answered completed", CALL, "status_callback_event"),
    ("Conference", "statusCallbackEvent"): ("start end join leave mute hold modify speaker announcement",
                                            PARTICIPANT, "conference_status_callback_event"),
    ("*", "recordingStatusCallbackEvent"): ("in-progress completed absent", CALL, "recording_status_callback_event"),
    ("Conference", "recordingStatusCallbackEvent"): ("in-progress completed failed absent",
                                                     PARTICIPANT, "conference_recording_status_callback_event"),
    ("*", "trim"): ("trim-silence do-not-trim", CALL, "trim"),
    ("*", "machineDetection"): ("Enable DetectMessageEnd", CALL, "machine_detection"),
    ("Dial", "recordingTrack"): ("inbound outbound both", CALL, "recording_track"),
    ("Conference", "beep"): ("true false onEnter onExit", PARTICIPANT, "beep"),
    ("Conference", "record"): ("true false record-from-start do-not-record", PARTICIPANT, "conference_record"),
    ("Dial", "record"): ("true false do-not-record record-from-answer record-from-ringing"
                         " record-from-answer-dual record-from-ringing-dual", None, None),
    ("Gather", "input"): ("dtmf speech", None, None),
    ("Reject", "reason"): ("rejected busy", None, None),
}
LISTS = {"statusCallbackEvent", "recordingStatusCallbackEvent", "input"}  # several tokens, separated by a space


class Rule(NamedTuple):
    kind: type  # the library's class, whose methods are the children
    attributes: frozenset
    takes_text: bool
    needs_text: bool


def methods(kind: type) -> dict:
    """The methods that nest an element, without the base class's append, nest, and add_child, which accept anything."""
    return {name: m for name, m in vars(kind).items() if inspect.isfunction(m) and not name.startswith("_")}


def parameters(method) -> list:
    """All parameters but self and **kwargs, which would accept any attribute."""
    return [p for p in list(inspect.signature(method).parameters.values())[1:] if p.kind is not p.VAR_KEYWORD]


@functools.cache
def grammar(kind: type) -> dict:
    """Maps the names of the elements allowed in an element of this class to their rules."""
    rules = {}
    for name, method in methods(kind).items():
        marks = {p.name: f"the {p.name}" for p in parameters(method)}
        # A call with marked values lets the library convert the names (status_callback_event, from_, xml_lang),
        # names the element, and shows which parameter becomes its text.
        child = method(TwiML(), **marks)
        text = [p for p in parameters(method) if marks[p.name] == child.value]
        if len(child.attrs) + len(text) != len(marks) or child.name in rules:
            raise RuntimeError(f"the library's {kind.__name__}.{name} cannot be analyzed")
        needs_text = any(p.default is p.empty for p in text)
        rules[child.name] = Rule(type(child), frozenset(child.attrs), bool(text), needs_text)
    return rules


def attributes(element: ET.Element) -> dict:
    return {name.replace(XML_NAMESPACE, "xml:"): value for name, value in element.items()}


def own_text(element: ET.Element) -> str:
    """The text directly in an element, including text between its children."""
    return "".join([element.text or "", *(child.tail or "" for child in element)]).strip()


def grammar_errors(element: ET.Element, rule: Rule) -> Iterator[str]:
    for name in sorted(attributes(element).keys() - rule.attributes):
        yield f"grammar: <{element.tag}> has no attribute {name}"
    if own_text(element) and not rule.takes_text or rule.needs_text and not own_text(element):
        yield f"grammar: <{element.tag}> {'needs a' if rule.needs_text else 'takes no'} text"
    rules = grammar(rule.kind)
    for child in element:
        if child.tag in rules:
            yield from grammar_errors(child, rules[child.tag])
        else:
            yield f"grammar: <{child.tag}> may not be in <{element.tag}>"


def snake(name: str) -> str:
    """Converts a TwiML name to the library's name, with the exceptions that the library lists."""
    exceptions = {twiml: python for python, twiml in TwiML.MAP.items()}
    return exceptions.get(name) or re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower().replace("-", "_")


def rebuild(element: ET.Element, node: TwiML) -> None:
    """Passes text as the first argument even to a method that takes none; the result then differs."""
    for child in element:
        method = methods(type(node)).get(snake(child.tag))
        if method is None:
            raise TwiMLException(f"the library's {type(node).__name__} has no method for <{child.tag}>")
        known = {p.name for p in parameters(method)}  # one of them, speechTimeout, is not in snake case
        named = {name if name in known else snake(name): value for name, value in attributes(child).items()}
        if named.keys() - known:
            raise TwiMLException(f"the library's {method.__name__} has no parameter {named.keys() - known}")
        text = [child.text] if (child.text or "").strip() else []
        rebuild(child, method(node, *text, **named))
        if (child.tail or "").strip():
            node.append(child.tail)  # the library allows text anywhere; only check (1) rejects misplaced text


def differences(root: ET.Element, document: str) -> Iterator[str]:
    response = VoiceResponse()
    try:
        rebuild(root, response)
        ours, theirs = (ET.canonicalize(xml, strip_text=True) for xml in (document, str(response)))
        if ours != theirs:
            yield f"rebuild: the library writes {theirs} instead of {ours}"
    except (TwiMLException, TypeError) as e:  # TypeError: an argument is missing or given twice
        yield f"rebuild: {e}"


def bad_value(tag: str, name: str, value: str) -> str | None:
    tokens, *_ = ENUMERATIONS.get((tag, name)) or ENUMERATIONS.get(("*", name)) or [""]
    if name == "method" or name.endswith("Method") and name != "paymentMethod":
        tokens = "GET POST"
    given = value.split(" ") if name in LISTS else [value]
    if tokens and not (set(given) <= set(tokens.split()) and len(set(given)) == len(given)):
        return f"is not of: {tokens}"
    if name in BOOLEANS and value not in ("true", "false"):
        return "is neither true nor false"
    if (name in INTEGERS or name == "speechTimeout" and value != "auto") and not re.fullmatch("[1-9][0-9]*", value):
        return "is not a positive integer"
    if name == "finishOnKey" and not re.fullmatch("[0-9*#]?" if tag == "Gather" else "[0-9*#]*", value):
        return "is not a key"
    if name == "callerId" and not (E164.fullmatch(value) or value.startswith("client:")):
        return "is not an E.164 number"
    is_url = name in ("action", "url") or name.endswith(("Url", "Callback"))
    return NO_URL if is_url and not URL.fullmatch(value) and (name, value) != ("waitUrl", "") else None


def bad_values(root: ET.Element) -> Iterator[str]:
    for element in root.iter():
        tag, text = element.tag, own_text(element)
        for name, value in attributes(element).items():
            if reason := bad_value(tag, name, value):
                yield f"value: {name}={value[:80]!r} of <{tag}> {reason}"
        # The unstripped text, because rebuilding ignores white space around it.
        if (tag == "Number" or tag == "Dial" and text) and not E164.fullmatch(element.text or ""):
            yield f"value: {text!r} in <{tag}> is not an E.164 number"
        if tag in ("Redirect", "Play") and text and not URL.fullmatch(element.text or ""):
            yield f"value: the text of <{tag}> {NO_URL}"
        if tag == "Dial" and (bool(text) == bool(len(element)) or len(element) > MAX_NOUNS):
            yield f"value: <Dial> needs either a number as its text, or 1 to {MAX_NOUNS} nouns, not {len(element)}"
        if tag == "Say" and not 0 < len("".join(element.itertext()).strip()) <= MAX_SAY:
            yield f"value: <Say> says nothing, or more than {MAX_SAY} characters"


def check(data: bytes) -> tuple[list[str], list[str]]:
    """Returns the reasons to reject a document, and warnings."""
    if len(data) > MAX_BYTES:
        return [f"document: {len(data)} bytes, more than {MAX_BYTES}"], []
    try:
        document = data.decode("utf-8")
        # Checked on the raw text, because ElementTree ignores the declared encoding and would expand entities.
        declared = re.match(r"<\?xml\s.*?\?>", document)
        xml10 = r"""(?i)version=["']1\.0["'](\s+encoding=["']utf-8["'])?\s*\?>"""
        if declared and not re.search(xml10, declared[0]) or "<!DOCTYPE" in document:
            return ["document: not declared as XML 1.0 in UTF-8, or has a document type"], []
        root = ET.fromstring(document)
        if root.tag != "Response":
            return [f"document: the root is <{root.tag}>, not <Response>"], []
        problems = list(grammar_errors(root, Rule(VoiceResponse, frozenset(), False, False)))
        problems += [*differences(root, document), *bad_values(root)]
    except (UnicodeDecodeError, ET.ParseError, RecursionError) as e:
        return [f"document: not well-formed, not UTF-8, or nested too deeply: {e}"], []
    pairs = list(zip(root, root[1:]))
    problems += [f"unreachable: <{after.tag}> after <{verb.tag}>" for verb, after in pairs if verb.tag in ENDS]
    return problems, [f"<{after.tag}> after a <Dial> with an action is never reached" for verb, after in pairs
                      if verb.tag == "Dial" and "action" in verb.attrib]


def contents(path: Path) -> bytes:
    """Returns the document in a file. A snapshot has a header between two `---` lines, followed by the document."""
    data = path.read_bytes()
    header = re.match(rb"---\r?\n(?:.*\n)*?---\r?\n", data) if path.suffix == ".snap" else None
    return data[header.end():] if header else data


BAD = r"""
document | <Response><Say>a</Response>
document | <?xml version="1.0" encoding="ISO-8859-1"?><Response/>
document | <!DOCTYPE Response [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>
document | <VoiceResponse><Hangup/></VoiceResponse>
grammar | <Response version="1"><Hangup/></Response>
grammar | <Response><say>a</say></Response>
grammar | <Response><Append>a</Append></Response>
grammar | <Response><Gather><Dial><Number>+15005550006</Number></Dial></Gather></Response>
grammar | <Response><Dial><Number status_callback="/a">+15005550006</Number></Dial></Response>
grammar | <Response><Say Voice="alice">a</Say></Response>
grammar | <Response><Hangup>now</Hangup></Response>
grammar | <Response><Redirect/></Response>
value | <Response><Dial><Number statusCallbackEvent="ringing,answered">+15005550006</Number></Dial></Response>
value | <Response><Dial><Number>(500) 555-0006</Number></Dial></Response>
value | <Response><Dial answerOnBridge="yes">+15005550006</Dial></Response>
value | <Response><Dial action="/dialled"/></Response>
value | <Response><Gather method="PUT" numDigits="1"/></Response>
value | <Response><Pause length="0"/></Response>
value | <Response><Redirect> /a</Redirect></Response>
value | <Response><Say> </Say></Response>
unreachable | <Response><Hangup/><Say>a</Say></Response>
"""
GOOD = r"""
<?xml version="1.0" encoding="UTF-8"?><Response/>
<Response><!-- why --><Say voice="alice" language="de-DE" loop="2">Grüße &amp; Küsse</Say><Hangup/></Response>
<Response><Say>It <say-as interpret-as="time">9:00</say-as> is <lang xml:lang="fr-FR">là</lang> now</Say></Response>
<Response><Play loop="1">https://a.example/b.mp3?c=d&amp;e=f</Play></Response>
<Response><Gather input="dtmf speech" numDigits="1" finishOnKey=""><Say>a</Say><Pause length="1"/></Gather></Response>
<Response><Dial timeLimit="60" action="/a"><Number statusCallbackEvent="ringing">+15005550006</Number></Dial></Response>
<Response><Dial><Conference beep="onEnter" waitUrl="" statusCallbackEvent="start end">a</Conference></Dial></Response>
<Response><Record maxLength="60" playBeep="true" action="/a"/><Redirect method="POST">/b</Redirect></Response>
<Response><Sms to="+15005550006" from="+15005550007">a</Sms><Reject reason="busy"/></Response>
"""


def self_test() -> int:
    bad = [line.split(" | ") for line in BAD.strip().splitlines()]
    long, number = "<Response><{0}>{1}</{0}></Response>", "<Number>+15005550006</Number>"
    bad += [("document", long.format("Say", "a" * MAX_BYTES)), ("value", long.format("Say", "a" * (MAX_SAY + 1))),
            ("value", long.format("Redirect", "/" * (MAX_URL + 1))), ("value", long.format("Dial", number * 11))]
    good = GOOD.strip().splitlines() + [long.format("Dial", number * 10), long.format("Say", "a" * MAX_SAY)]
    failures = []
    for kind, document in bad:
        kinds = {"grammar", "rebuild"} if kind == "grammar" else {kind}  # both checks must find it
        if not kinds <= {problem.split(":")[0] for problem in check(document.encode())[0]}:
            failures.append(f"not refused by {kinds}: {document[:100]}")
    failures += [f"refused: {document[:100]}: {p}" for document in good for p in check(document.encode())[0]]
    failures += [] if check(b"<Response>\xff</Response>")[0] else ["accepted: not UTF-8"]
    for key, (tokens, module, parameter) in ENUMERATIONS.items():
        if module:
            source = Path(twilio.__file__).parent.joinpath("rest/api/v2010/account", module).read_text("utf-8")
            listed = re.search(rf":param {parameter}: .*?Can be:? ([^.]*)\.", source)
            if not listed or set(re.findall("`(.*?)`", listed[1])) != set(tokens.split()):
                failures.append(f"the library documents other tokens for {key}")
    print(*failures, f"self-test: {len(bad) + 1} bad, {len(good)} good, {len(failures)} failures", sep="\n")
    return 1 if failures else 0


def main(arguments: list[str]) -> int:
    accepted, refusals, notes = 0, [], []
    for argument in map(Path, arguments):
        found = sorted(argument.rglob("*")) if argument.is_dir() else [argument]
        found = [path for path in found if path.suffix in (".xml", ".snap") and path.is_file()]
        if not found:  # otherwise a directory that has moved would count as checked
            refusals.append(f"refused: {argument}: no document found")
        for path in found:
            problems, warnings = check(contents(path))
            notes += [f"warning: {path}: {warning}" for warning in warnings]
            refusals += [f"refused: {path}: {problem}" for problem in problems]
            accepted += not problems
    print(*notes, *refusals, f"{accepted} documents accepted", sep="\n")
    return 1 if refusals or not accepted else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main(sys.argv[1:]))
