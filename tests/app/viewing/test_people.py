"""People as pages ask for them: the consent, what is forgotten with it, and questions; the child is a real one."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from photovault.app.viewing.people import People
from photovault.errors import ConsentError, PhotovaultError, UsageError
from photovault.gallery.asks import NotThereError
from photovault.gallery.values import Somebody
from tests.support.folk import Folk


@pytest.fixture
def folk(tmp_path):
    return Folk(tmp_path)


@pytest.fixture
def people(folk):
    seconds = [0.0]
    app = folk.app()
    object.__setattr__(app.world, "clock", lambda: seconds[0])
    made = People(app)
    made.seconds = seconds
    yield made
    made.close()


@pytest.fixture
def there(folk, people):
    folk.agree()
    folk.fill()
    return people


@pytest.mark.parametrize(
    "ask",
    [
        lambda people: people.people(),
        lambda people: people.person(1),
        lambda people: people.crop(1),
        lambda people: people.of_photo("0" * 64),
        lambda people: people.doubts(5),
        lambda people: people.answer("f1-f2", "same"),
        lambda people: people.name(1, "Ada"),
        lambda people: people.merge(1, 2, ""),
        lambda people: people.split(1, [1]),
        lambda people: people.hide(1, hidden=True),
        lambda people: people.history(),
        lambda people: people.undo(1),
        lambda people: people.digests(1),
    ],
)
def test_while_nobody_agreed_nobody_is_asked(folk, people, ask):
    assert not people.enabled()
    with pytest.raises(ConsentError):
        ask(people)
    assert people._child.pid == 0, "no process was started"
    assert not folk.state.exists()


def test_whether_somebody_agreed_is_looked_up_when_the_log_changes_and_every_two_seconds(folk, people, monkeypatch):
    looks = []
    look = people._look
    monkeypatch.setattr(people, "_look", lambda *given: looks.append(1) or look(*given))
    assert [people.enabled() for _ in range(5)] == [False] * 5
    assert looks == []
    folk.agree()
    assert [people.enabled() for _ in range(100)] == [True] * 100
    assert len(looks) == 1
    people.seconds[0] = 2.5
    assert people.enabled()
    assert len(looks) == 2
    folk.withdraw()
    assert not people.enabled(), "at once"


def test_a_term_ends_without_a_change_of_the_log(folk, people):
    folk.agree()
    assert people.enabled()
    folk.computer.sleep(days=400)
    people.seconds[0] = 3
    assert not people.enabled()


def test_who_is_there(there):
    found = there.people()
    assert [(one.count, one.photos, len(one.faces)) for one in found] == [(5, 5, 1), (4, 4, 1), (2, 2, 1)]
    ada = there.person(found[0].id)
    assert isinstance(ada, Somebody)
    assert (len(ada.faces), ada.first[:4], ada.last[:4]) == (5, "2010", "2019")
    assert len(there.digests(ada.id)) == 5
    assert Image.open(io.BytesIO(there.crop(ada.faces[0].id))).format == "WEBP"


def test_who_is_on_a_photo(folk, there):
    found = there.of_photo(folk.digest("both.png"))
    assert [one.id for one in found] == [1, 2], "from left to right"
    assert all(len(one.faces) == 1 for one in found)
    assert there.of_photo("0" * 64) == ()
    assert there.of_photo("../" * 20) == ()


def test_a_person_who_is_not_there_is_not_there(there):
    for number in (99, 2**63, 10**30, -1):
        with pytest.raises(NotThereError):
            there.person(number)
        with pytest.raises(NotThereError):
            there.crop(number)


def test_decisions_can_be_taken_back(there):
    there.name(1, "  Ada  ")
    there.split(1, [1, 2])
    assert there.person(1).name == "Ada"
    there.merge(1, 2, "")
    there.hide(3, hidden=True)
    assert 3 not in {one.id for one in there.people()}
    assert 3 in {one.id for one in there.people(hidden=True)}
    there.hide(3, hidden=False)
    assert [one.undone for one in there.history()] == [False] * 5
    for one in there.history():
        there.undo(one.id)
    assert [(one.name, one.count) for one in there.people()] == [("", 5), ("", 4), ("", 2)]


def test_two_names_become_one_only_when_it_is_said_which_stays(there):
    there.name(1, "Ada")
    there.name(2, "Bob")
    with pytest.raises(UsageError, match="both have a name"):
        there.merge(1, 2, "")
    there.merge(1, 2, "Bob")
    assert [one.name for one in there.people() if one.name] == ["Bob"]


def test_faces_of_somebody_else_cannot_be_taken_out(there):
    with pytest.raises(UsageError, match="any more"):
        there.split(1, [5])
    assert there.history() == ()


# Questions.


def test_a_question_that_was_answered_is_not_asked_again(there):
    (one,) = there.doubts(10)
    assert {one.left_group.count, one.right_group.count} == {2, 5}
    done = there.answer(one.id, "same")
    assert there.doubts(10) == ()
    there.undo(done.id)
    assert [doubt.id for doubt in there.doubts(10)] == [one.id], "until the answer is taken back"


def test_a_skipped_question_is_no_decision(there):
    (one,) = there.doubts(10)
    assert there.answer(one.id, "skip").id == 0
    assert there.doubts(10) == ()
    assert there.history() == ()


def test_questions_are_not_thought_out_for_each_page(there, monkeypatch):
    asked = []
    ask = there._child.ask
    monkeypatch.setattr(there._child, "ask", lambda do, **more: asked.append(do) or ask(do, **more))
    for _ in range(3):
        there.doubts(1)
    assert asked == ["questions"]
    there.seconds[0] = 400
    there.doubts(1)
    there.name(1, "Ada")
    there.doubts(1)
    assert asked.count("questions") == 3


def test_what_is_no_answer_is_refused(there):
    with pytest.raises(UsageError):
        there.answer("f8-f3", "perhaps")
    with pytest.raises(UsageError):
        there.answer("nonsense", "same")


# The end of a consent.


def test_when_the_consent_is_taken_back_the_child_ends_and_everything_is_forgotten(folk, there):
    there.name(1, "Ophelia")
    assert there.doubts(5)
    assert there._child.pid
    folk.withdraw()
    assert not there.enabled()
    assert there._child.pid == 0
    assert there._round == ()
    for ask in (lambda: there.crop(1), there.people, lambda: there.doubts(5)):
        with pytest.raises(ConsentError, match="taken back"):
            ask()
    assert there._child.pid == 0, "and no other is started"


def test_an_answer_that_comes_after_the_consent_ended_is_not_given(folk, there, monkeypatch):
    ask = there._child.ask

    def slow(do, **more):
        answer = ask(do, **more)
        folk.withdraw()
        return answer

    monkeypatch.setattr(there._child, "ask", slow)
    with pytest.raises(ConsentError):
        there.people()


def test_who_agrees_again_gets_a_child_with_the_new_key(folk, there):
    there.people()
    first = there._child.pid
    folk.withdraw()
    folk.agree()
    folk.fill()
    assert len(there.people()) == 3
    assert there._child.pid not in {0, first}


def test_after_it_is_closed_there_is_no_child(there):
    there.people()
    there.close()
    assert there._child.pid == 0
    with pytest.raises(PhotovaultError, match="locked"):
        there.people()
