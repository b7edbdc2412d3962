use super::sounds_like_opt_out;
use crate::domain::opt_out::wish;

const REQUESTS: [&str; 80] = [
    "please stop texting me",
    "Stop texting me!",
    "stop txting me",
    "Pls stop messaging this number",
    "STOP SENDING ME MESSAGES",
    "please stop sending these",
    "Can you stop sending reminders?",
    "Quit texting me",
    "quit bothering me",
    "Stop calling me",
    "stop contacting me immediately",
    "why don't you stop texting me?",
    "If you don't stop texting me I will report you",
    "Why won’t you stop texting me",
    "please stop",
    "Please, stop.",
    "stop please",
    "Stop it",
    "stop stop stop",
    "STOP STOP",
    "Stop now!",
    "STOP 12345",
    "STOP 🛑",
    "I said stop",
    "I asked you to stop",
    "can you please stop?",
    "I want you to stop",
    "Hi, this is Carla. Please stop all messages.",
    "stop the texts",
    "Stop these automated messages please",
    "How do I stop these texts?",
    "how can i stop getting these messages",
    "Please cancel these reminders",
    "Cancel my text subscription",
    "END ALL TEXTS",
    "discontinue text messages",
    "take me off your list",
    "Take me off this list please",
    "please take my number off your contacts",
    "get me off of this",
    "Take us off the texting list",
    "I want off your list",
    "remove me",
    "Please remove me from your list",
    "Remove me from this chat",
    "remove my number",
    "Delete my number from your system.",
    "lose my number",
    "wrong person, please remove",
    "unsubscribe me",
    "How do I unsubscribe?",
    "I would like to opt out",
    "please opt out my sister",
    "opt me out of this",
    "opt-out please",
    "I revoke my consent to be texted",
    "do not contact me again",
    "Don't text me",
    "Dont text me anymore",
    "don’t ever message me again",
    "Please do not text this number",
    "never contact me again",
    "do not call me ever again",
    "Do not send me any more messages",
    "don't send texts to this phone",
    "I don't want these texts",
    "I do not want to receive text messages anymore",
    "we no longer wish to be contacted",
    "I don't want to hear from you",
    "I don't need your reminders",
    "no more texts",
    "No more messages please",
    "No more of these messages!",
    "no more",
    "No texts please",
    "Leave me alone",
    "Not interested",
    "I'm not interested, thanks",
    "I never signed up for this",
    "“Please stop texting me”",
];

const OTHERS: [&str; 71] = [
    "",
    "hello",
    "Don't stop, I love these",
    "Please don't stop texting me",
    "don’t stop",
    "I can't stop coughing",
    "The bleeding won't stop",
    "stop by at 5",
    "I'll stop by at 5",
    "please stop by tomorrow",
    "Can you stop by?",
    "the bus stop",
    "I am at the bus stop",
    "Which bus stop?",
    "Next stop: your office",
    "full stop.",
    "It hurts non-stop",
    "Should I stop taking the pills?",
    "When should I stop?",
    "Do I need to stop?",
    "please stop the medication",
    "I want to stop smoking",
    "Did the doctor stop the infusion?",
    "You can stop now",
    "stop at the pharmacy first",
    "Stop in any time",
    "No texting while driving, stop texting while driving",
    "He should stop texting and driving",
    "Tell him to stop texting her",
    "I do not want to stop getting your texts",
    "unstoppable",
    "Liked “Reply STOP to get no more texts.”",
    "Disliked “Please stop texting me”",
    "Laughed at \"No more texts\"",
    "Reacted 👍 to “take me off your list”",
    "What does \"Reply STOP to get no more texts\" mean?",
    "He said “stop texting me” to his sister",
    "Please cancel my appointment",
    "cancel my appointment and text me to reschedule",
    "Let's end the call here",
    "at the end text me",
    "take me off the waiting list",
    "Please take me off the medication",
    "Remove my name from the waiting list",
    "when will you remove my stitches?",
    "Don't remove me from the list",
    "please do not take me off your list",
    "I didn't unsubscribe",
    "I do not want to opt out",
    "don't text me after 9 pm",
    "Do not contact me until Monday",
    "please don't call me, text me instead",
    "I don't text, please call",
    "if you don't text me I will worry",
    "they never text me",
    "don't text back, I am driving",
    "Do not send the bill to my old address",
    "I don't want to miss your messages",
    "I don't want to text him",
    "I do not want to change my reminders",
    "I don't want surgery",
    "I got no more texts after Tuesday",
    "There are no more messages on my phone",
    "no more pain, thank you",
    "No text yet",
    "I received no messages from you",
    "leave me a message",
    "I am not interested in a morning appointment",
    "The rash did not go away",
    "I never agreed to the second appointment",
    "Get me off work early, the nurse said",
];

#[test]
fn requests_to_stop_are_recognized() {
    let missed: Vec<_> = REQUESTS.iter().filter(|body| !sounds_like_opt_out(body)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn other_texts_are_not() {
    let wrong: Vec<_> = OTHERS.iter().filter(|body| sounds_like_opt_out(body)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn none_of_them_is_a_keyword() {
    for body in REQUESTS.iter().chain(&OTHERS) {
        assert_eq!(wish(body, None), None, "{body}");
    }
}

#[test]
fn a_text_of_any_length_is_read_without_delay() {
    let long = "please do not stop take me off no more of ".repeat(2_000);
    assert!(!sounds_like_opt_out(&long));
    assert!(sounds_like_opt_out(&(long + "and stop texting me")));
    assert!(!sounds_like_opt_out(&"hello there, how are you? ".repeat(2_000)));
    assert!(!sounds_like_opt_out(&"stop the ".repeat(8_000)));
    assert!(!sounds_like_opt_out(&"\u{200B}".repeat(60_000)));
}
