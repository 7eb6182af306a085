using Karya.Node.Cluster;
using Xunit;

namespace Karya.Node.Tests.Cluster;

public sealed class MemberViewTests
{
    private const int AliveMs = 3000;
    private const int BeatMs = 1000;

    private readonly MemberView _view = new(new Member("me", 1), "i-me", AliveMs);
    private long _nowMs = 1_000_000;
    private long _ownCounter;

    [Fact]
    public void Before_the_first_look_nothing_is_known() => Assert.Null(Alive());

    [Fact]
    public void A_node_alone_knows_so_as_soon_as_it_hears_itself()
    {
        LookAt();
        Assert.Null(Alive());
        LookAt();
        Assert.Equal(["me"], Alive());
    }

    [Fact]
    public void A_member_is_alive_once_its_counter_rises()
    {
        Settle();
        LookAt(Beat("a", 7));
        Assert.Equal(["me"], Alive());
        LookAt(Beat("a", 8));
        Assert.Equal(["a", "me"], Alive());
    }

    [Fact]
    public void All_who_live_are_there_by_name_with_their_weights()
    {
        Settle(Beat("z", 1) with { Weight = 5 }, Beat("b", 1));
        Assert.Equal([new("b", 1), new("me", 1), new("z", 5)], _view.Alive(_nowMs, canOwn: true));
    }

    [Fact]
    public void A_node_that_starts_does_not_believe_that_it_is_alone_while_others_have_not_shown_whether_they_live()
    {
        LookAt(Beat("a", 7), Beat("dead", 9));
        LookAt(Beat("a", 7), Beat("dead", 9));
        Assert.Null(Alive());
        LookAt(Beat("a", 8), Beat("dead", 9));
        Assert.Null(Alive());
        LookAt(Beat("a", 9), Beat("dead", 9));
        Assert.Equal(["a", "me"], Alive());
    }

    [Fact]
    public void What_this_nodes_former_process_left_behind_does_not_hold_it_up()
    {
        Look(Beat("me", 99) with { Incarnation = "i-before" });
        LookAt();
        LookAt();
        Assert.Equal(["me"], Alive());
    }

    [Fact]
    public void A_heartbeat_that_only_exists_is_no_sign_of_life()
    {
        Settle();
        for (int look = 0; look < 20; look++)
        {
            LookAt(Beat("dead", 500));
            Assert.Equal(["me"], Alive());
        }
    }

    [Fact]
    public void A_member_is_dead_a_life_after_its_last_sign_of_life_and_not_before()
    {
        Settle(Beat("a", 1));
        LookAt(Beat("a", 9));
        for (int look = 0; look < 3; look++)
        {
            LookAt(Beat("a", 9));
            Assert.Equal(["a", "me"], Alive());
        }

        LookAt(Beat("a", 9));
        Assert.Equal(["me"], Alive());
    }

    [Fact]
    public void A_flushed_Redis_kills_nobody_who_beats_again_within_a_life()
    {
        Settle(Beat("a", 1));
        Look();
        Assert.Equal(["a", "me"], Alive());
        LookAt();
        Assert.Equal(["a", "me"], Alive());
        LookAt(Beat("a", 9));
        Assert.Equal(["a", "me"], Alive());
    }

    [Fact]
    public void A_Redis_that_stays_empty_says_nothing()
    {
        Settle(Beat("a", 1));
        for (int look = 0; look < 4; look++)
            Look();
        Assert.Null(Alive());
    }

    [Fact]
    public void A_life_without_any_answer_nothing_is_known()
    {
        Settle(Beat("a", 1));
        _nowMs += AliveMs;
        Assert.NotNull(Alive());
        _nowMs++;
        Assert.Null(Alive());
    }

    [Fact]
    public void A_stale_snapshot_again_and_again_is_worth_no_more_than_none()
    {
        Settle(Beat("a", 1));
        Heartbeat[] stale = [Own(), Beat("a", 9)];
        for (int look = 0; look < 5; look++)
            Look(stale);
        Assert.Null(Alive());
    }

    [Fact]
    public void A_stale_replica_that_answers_every_other_time_revives_nobody()
    {
        Settle(Beat("dead", 50));
        for (int look = 0; look < 4; look++)
        {
            LookAt(Beat("dead", 60));
            Look(Beat("dead", 30));
        }

        LookAt(Beat("dead", 60));
        Assert.Equal(["me"], Alive());
    }

    [Fact]
    public void A_counter_that_went_back_with_an_old_dump_counts_again_above_what_it_was()
    {
        Settle(Beat("a", 50), Beat("dead", 50));
        LookAt(Beat("a", 30), Beat("dead", 30));
        LookAt(Beat("a", 60), Beat("dead", 30));
        LookAt(Beat("a", 61), Beat("dead", 31));
        LookAt(Beat("a", 62), Beat("dead", 32));
        Assert.Equal(["a", "me"], Alive());
    }

    [Fact]
    public void A_name_with_a_new_incarnation_counts_from_its_second_beat_whatever_the_old_counter_was()
    {
        Settle(Beat("a", 900));
        var reborn = Beat("a", 1) with { Incarnation = "i-2", Weight = 4 };
        LookAt(reborn);
        Assert.Equal([new("a", 1), new("me", 1)], _view.Alive(_nowMs, canOwn: true));
        LookAt(reborn with { Counter = 2 });
        Assert.Equal([new("a", 4), new("me", 1)], _view.Alive(_nowMs, canOwn: true));
    }

    [Fact]
    public void An_old_incarnation_that_a_stale_replica_shows_changes_nothing()
    {
        Settle(Beat("a", 900));
        var reborn = Beat("a", 1) with { Incarnation = "i-2", IsDraining = true };
        for (int beat = 1; beat < 5; beat++)
        {
            LookAt(reborn with { Counter = beat });
            Look(Beat("a", 900));
        }

        Assert.Equal(["me"], Alive());
    }

    [Fact]
    public void A_process_that_crashes_after_its_first_beat_each_time_is_never_alive_and_holds_nobody_up()
    {
        Settle(Beat("a", 1));
        for (int start = 0; start < 50; start++)
        {
            LookAt(Beat("a", 10 + start), Beat("b", 1) with { Incarnation = $"i-{start}" });
            Assert.Equal(["a", "me"], Alive());
        }
    }

    [Fact]
    public void After_a_long_pause_nothing_is_known_until_this_node_hears_itself_and_then_all_are_still_there()
    {
        Settle(Beat("a", 1), Beat("b", 1));
        _nowMs += 3_600_000;
        Assert.Null(Alive());

        Look(Own(), Beat("a", 3600), Beat("b", 3600)); // Its own counter stood still.
        Assert.Null(Alive());
        LookAt(Beat("a", 3601), Beat("b", 3601));
        Assert.Equal(["a", "b", "me"], Alive());
    }

    [Fact]
    public void An_answer_from_before_a_pause_that_is_read_after_it_kills_nobody()
    {
        Settle(Beat("a", 1));
        _view.Saw(_nowMs + BeatMs, [Own(), Beat("a", 4)]);
        _nowMs += 60_000;
        Assert.Null(Alive());
        LookAt(Beat("a", 4)); // One more from a connection's buffer.
        Assert.Equal(["a", "me"], Alive());
    }

    [Fact]
    public void A_pause_shorter_than_a_life_is_not_silence_of_the_others()
    {
        Settle(Beat("a", 1));
        _nowMs += AliveMs - 200;
        LookAt(Beat("a", 3));
        LookAt(Beat("a", 3));
        Assert.Equal(["a", "me"], Alive());
    }

    [Fact]
    public void Who_died_during_a_pause_is_dead_after_a_life_of_looks()
    {
        Settle(Beat("a", 1));
        _nowMs += 60_000;
        for (int look = 0; look < 4; look++)
            LookAt(Beat("a", 3));
        Assert.Equal(["me"], Alive());
    }

    [Fact]
    public void An_answer_that_was_late_counts_from_when_it_was_asked_for()
    {
        Settle();
        _view.Saw(_nowMs, [Own(), Beat("a", 1)]);
        _nowMs += AliveMs + 1;
        _view.Saw(_nowMs - AliveMs - 1, [Beat("me", ++_ownCounter), Beat("a", 2)]);
        Assert.Null(Alive());
    }

    [Fact]
    public void Answers_out_of_order_do_not_turn_time_back()
    {
        Settle(Beat("a", 1));
        LookAt(Beat("a", 9));
        _view.Saw(_nowMs - 5000, [Beat("me", 1), Beat("a", 2)]);
        Assert.Equal(["a", "me"], Alive());
    }

    [Fact]
    public void Who_drains_or_cannot_own_is_left_out_and_comes_back()
    {
        Settle(Beat("a", 1), Beat("b", 1));
        LookAt(Beat("a", 10) with { IsDraining = true }, Beat("b", 10) with { CanOwn = false });
        Assert.Equal(["me"], Alive());
        LookAt(Beat("a", 11), Beat("b", 11));
        Assert.Equal(["a", "b", "me"], Alive());
    }

    [Fact]
    public void A_node_that_cannot_own_leaves_itself_out_and_nobody_at_all_is_not_unknown()
    {
        Settle();
        var alive = _view.Alive(_nowMs, canOwn: false);
        Assert.NotNull(alive);
        Assert.Empty(alive);
    }

    [Fact]
    public void What_Redis_says_about_this_node_does_not_count()
    {
        Settle();
        Look(Own() with { Counter = ++_ownCounter, Weight = 9, CanOwn = false, IsDraining = true });
        Assert.Equal([new("me", 1)], _view.Alive(_nowMs, canOwn: true));
    }

    [Fact]
    public void Another_process_with_this_nodes_name_is_not_taken_for_it()
    {
        Settle();
        for (int look = 0; look < 4; look++)
            Look(Beat("me", look) with { Incarnation = "i-other" });
        Assert.Null(Alive());
    }

    [Fact]
    public void A_heartbeat_with_an_impossible_weight_is_passed_over()
    {
        Settle(Beat("a", 1) with { Weight = 0 });
        Assert.Equal(["me"], Alive());
    }

    private static Heartbeat Beat(string name, long counter) =>
        new(name, $"i-{name}", counter, Weight: 1, CanOwn: true, IsDraining: false);

    private Heartbeat Own() => Beat("me", _ownCounter);

    private IEnumerable<string>? Alive() => _view.Alive(_nowMs, canOwn: true)?.Select(member => member.Name);

    /// <summary>Four looks in which everything rises.</summary>
    private void Settle(params Heartbeat[] others)
    {
        for (int look = 0; look < 4; look++)
            LookAt([.. others.Select(beat => beat with { Counter = beat.Counter + look })]);
        Assert.NotNull(Alive());
    }

    /// <summary>A beat later, at what is there besides this node's next beat.</summary>
    private void LookAt(params Heartbeat[] others) => Look([Beat("me", ++_ownCounter), .. others]);

    /// <summary>A beat later, at this and nothing else.</summary>
    private void Look(params Heartbeat[] all)
    {
        _nowMs += BeatMs;
        _view.Saw(_nowMs, all);
    }
}
