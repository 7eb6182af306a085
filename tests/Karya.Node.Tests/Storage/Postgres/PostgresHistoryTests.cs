using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage.Postgres;
using Npgsql;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage.Postgres;

public sealed class PostgresHistoryTests : IDisposable
{
    private const long HourMs = 60 * 60 * 1000;
    private const long NowMs = 1000 * HourMs + 5;

    private static readonly UserId Bob = new(0xB);

    private readonly TestSchema _schema = new();

    public void Dispose() => _schema.Dispose();

    [Fact]
    public void Ranges_reach_from_now_to_two_widths_ahead_and_are_made_once()
    {
        var history = History(TimeSpan.FromDays(1));
        history.EnsureRanges(NowMs);
        Assert.Equal("999-1002 1002-1005 1005-1008", Ranges());
        history.EnsureRanges(NowMs);
        Assert.Equal("999-1002 1002-1005 1005-1008", Ranges());
        history.EnsureRanges(NowMs + 3 * HourMs);
        Assert.Equal("999-1002 1002-1005 1005-1008 1008-1011", Ranges());
    }

    [Theory]
    [InlineData(0.01, 1)]
    [InlineData(7, 21)]
    [InlineData(10, 30)]
    [InlineData(4000, 720)]
    public void A_range_is_an_eighth_of_what_is_kept_within_limits(double days, int hours)
    {
        History(TimeSpan.FromDays(days)).EnsureRanges(NowMs);
        Assert.Equal(hours, _schema.Ask<long>("SELECT (min(end_ms) - min(first_ms)) / 3600000 FROM history_range"));
        Assert.Equal(0, _schema.Ask<long>($"SELECT min(first_ms) % {hours * HourMs} FROM history_range"));
    }

    [Fact]
    public void Another_width_goes_on_behind_the_last_range()
    {
        History(TimeSpan.FromDays(1)).EnsureRanges(NowMs);
        History(TimeSpan.FromDays(2)).EnsureRanges(NowMs + 3 * HourMs);
        Assert.Equal("999-1002 1002-1005 1005-1008 1008-1014 1014-1020", Ranges());
        History(TimeSpan.FromHours(8)).EnsureRanges(NowMs + 19 * HourMs);
        Assert.Equal("999-1002 1002-1005 1005-1008 1008-1014 1014-1020 1020-1021 1021-1022", Ranges());
    }

    [Fact]
    public void No_range_is_made_for_a_time_that_has_passed()
    {
        History(TimeSpan.FromHours(8)).EnsureRanges(NowMs);
        Assert.Equal("1000-1001 1001-1002 1002-1003", Ranges());
        History(TimeSpan.FromDays(2)).EnsureRanges(NowMs + 3 * HourMs);
        Assert.Equal("1000-1001 1001-1002 1002-1003 1003-1008 1008-1014 1014-1020", Ranges());
    }

    [Fact]
    public void A_range_whose_rows_lie_in_the_rest_is_left_out()
    {
        _schema.AddTask(Key(1), 1003 * HourMs);
        History(TimeSpan.FromDays(1)).EnsureRanges(NowMs);
        Assert.Equal("999-1002 1005-1008", Ranges());

        _schema.Execute("DELETE FROM task_history");
        History(TimeSpan.FromDays(1)).EnsureRanges(NowMs);
        Assert.Equal("999-1002 1002-1005 1005-1008", Ranges());
    }

    [Fact]
    public void An_overlap_is_refused()
    {
        _schema.Execute("SELECT add_history_range(1000, 2000)");
        _schema.Execute("SELECT add_history_range(1000, 2000)");
        var exception = Assert.Throws<PostgresException>(
            () => _schema.Execute("SELECT add_history_range(1999, 3000)"));
        Assert.Equal("KF005", exception.SqlState);
        _schema.Execute("SELECT add_history_range(2000, 3000)");
    }

    [Fact]
    public void Rows_go_to_their_range_and_to_the_rest_where_there_is_none()
    {
        _schema.Execute("SELECT add_history_range(1000, 2000)");
        _schema.AddEnded(1, 1000);
        _schema.AddEnded(2, 2000);
        _schema.AddTask(Key(1), 1999);
        _schema.AddTask(Key(1, 2), 999);
        _schema.AddError(Key(1), 1500);
        _schema.AddError(Key(1, 2), 5000);
        Assert.Equal(
            "1 1 1 1 1 1",
            _schema.Ask<string>(
                """
                SELECT concat_ws(' ',
                  (SELECT count(*) FROM plan_history_1000), (SELECT count(*) FROM plan_history_rest),
                  (SELECT count(*) FROM task_history_1000), (SELECT count(*) FROM task_history_rest),
                  (SELECT count(*) FROM errors_1000), (SELECT count(*) FROM errors_rest))
                """));
    }

    [Fact]
    public void A_partition_has_the_indexes_of_its_parent()
    {
        _schema.Execute("SELECT add_history_range(1000, 2000)");
        Assert.Equal(
            _schema.Ask<long>("SELECT count(*) FROM pg_index WHERE indrelid = 'plan_history'::regclass"),
            _schema.Ask<long>("SELECT count(*) FROM pg_index WHERE indrelid = 'plan_history_1000'::regclass"));
    }

    [Fact]
    public void The_oldest_range_before_the_cutoff_is_dropped_whole_with_its_rows_counted()
    {
        AddThreeRanges();
        _schema.AddUser(Ann, "ann", 10);
        _schema.AddUser(Bob, "bob", 10);
        _schema.AddEnded(1, 2000);
        _schema.AddEnded(2, 2999);
        _schema.AddEnded(3, 2500, user: Bob);
        _schema.AddTask(Key(1), 2000);
        _schema.AddError(Key(1), 2000);
        _schema.AddEnded(4, 3000);

        var history = History(TimeSpan.FromDays(1));
        Assert.Equal(0, history.Prune(cutoffMs: 2999, rowsMax: 1, NowMs));
        Assert.Equal(5, history.Prune(cutoffMs: 3999, rowsMax: 1, NowMs));
        Assert.Equal([Plan(4)], Plans());
        Assert.Equal((8, 9), (Count(Ann), Count(Bob)));
        Assert.Equal(0, history.Prune(cutoffMs: 3999, rowsMax: 1, NowMs));
        Assert.Equal(1, history.Prune(cutoffMs: 4000, rowsMax: 1, NowMs));
        Assert.Equal(0, _schema.Ask<long>(
            """
            SELECT count(*) FROM pg_class
            WHERE relname LIKE '%\_3000' AND relnamespace = current_schema::regnamespace
            """));
    }

    [Fact]
    public void A_range_that_has_not_passed_is_never_dropped()
    {
        AddThreeRanges();
        _schema.AddEnded(1, 3500);
        Assert.Equal(0, History(TimeSpan.FromDays(1)).Prune(long.MaxValue, 10, nowMs: 3999));
        Assert.Equal([Plan(1)], Plans());
    }

    [Fact]
    public void Plans_whose_descendants_stay_are_kept_with_their_last_tasks_and_counted()
    {
        AddThreeRanges();
        _schema.AddUser(Ann, "ann", 8);
        _schema.AddEnded(1, 2000);                 // Its grandchild starts one that goes on.
        _schema.AddEnded(2, 2001, parent: 1);
        _schema.AddEnded(3, 2002, parent: 2);
        _schema.AddPlan(4, parent: 3);
        _schema.AddEnded(5, 2003);                 // Its child ended later.
        _schema.AddEnded(6, 3500, parent: 5);
        _schema.AddEnded(7, 2004);                 // Its child ended with it.
        _schema.AddEnded(8, 2005, parent: 7);
        _schema.AddTask(Key(1), 2000);
        _schema.AddTask(Key(1, 2), 2000);
        _schema.AddTask(Key(1, 2, 1), 2000);
        _schema.AddError(Key(1), 2000);
        _schema.AddError(Key(1, 2), 2000);
        _schema.AddTask(Key(7), 2000);

        var history = History(TimeSpan.FromDays(1));
        Assert.Equal(5, history.Prune(cutoffMs: 3000, rowsMax: 1, NowMs));
        ulong[] kept = [1, 2, 3, 4, 5, 6];
        Assert.Equal(kept.Select(Plan), Plans().Concat([Plan(4)]).Order());
        Assert.Equal(6, Count(Ann));
        Assert.Equal("1/2/0 1/2/1", _schema.Ask<string>(
            """
            SELECT string_agg((right(plan_id::text, 1)) || '/' || occurrence || '/' || hook, ' ' ORDER BY hook)
            FROM task_history_rest
            """));
        Assert.Equal(2, _schema.Ask<long>("SELECT occurrence FROM errors_rest"));

        // When nothing is left below them they go, row by row.
        _schema.Execute("DELETE FROM plans; UPDATE users SET plan_count = plan_count - 1");
        int removed = 0;
        while (history.Prune(cutoffMs: 4000, rowsMax: 100, NowMs) is var count and > 0)
            removed += count;
        Assert.Equal(8, removed);
        Assert.Empty(Plans());
        Assert.Equal(0, Count(Ann));
        Assert.Equal(0, _schema.Ask<long>("SELECT count(*) FROM task_history"));
    }

    [Fact]
    public void A_large_plan_of_the_rest_goes_after_its_rows()
    {
        _schema.AddUser(Ann, "ann", 2);
        _schema.AddEnded(1, 1000, tasks: [new TaskRow { Key = Key(1, 26), CreatedMs = 1_790_000_000_000 }]);
        _schema.Execute(
            $"""
            INSERT INTO task_history SELECT '{Plan(1)}', n, 0, 2, 0, n, 1, 1, 1, 1, 1 FROM generate_series(1, 25) n;
            INSERT INTO errors SELECT '{Plan(1)}', n, 0, 1, 1, '' FROM generate_series(1, 5) n;
            """);
        _schema.AddEnded(2, 1001);

        var history = History(TimeSpan.FromDays(1));
        int[] removed = [.. Enumerable.Range(0, 5).Select(_ => history.Prune(cutoffMs: 5000, rowsMax: 10, NowMs))];
        Assert.Equal([10, 10, 10, 3, 0], removed);
        Assert.Equal(0, Count(Ann));
    }

    [Fact]
    public void A_plan_with_more_tasks_inside_than_a_step_takes_goes_at_once()
    {
        _schema.AddUser(Ann, "ann", 1);
        TaskRow[] tasks = [.. Enumerable.Range(1, 20).Select(number => new TaskRow { Key = Key(1, number) })];
        _schema.AddEnded(1, 1000, tasks: tasks);
        Assert.Equal(21, History(TimeSpan.FromDays(1)).Prune(cutoffMs: 5000, rowsMax: 10, NowMs));
        Assert.Equal(0, Count(Ann));
    }

    [Fact]
    public void Plans_that_stay_do_not_hide_those_behind_them()
    {
        _schema.AddUser(Ann, "ann", 100);
        for (ulong number = 1; number <= 20; number++)
        {
            _schema.AddEnded(number, 1000);
            _schema.AddPlan(100 + number, parent: number);
            _schema.AddEnded(50 + number, 1000);
        }

        var history = History(TimeSpan.FromDays(1));
        Assert.Equal([6, 6, 6, 2, 0], Enumerable.Range(0, 5).Select(_ => history.Prune(5000, 6, NowMs)));
        Assert.Equal(20, Plans().Count);

        _schema.Execute($"DELETE FROM plans WHERE id = '{Plan(101)}'");
        Assert.Equal([1, 0], Enumerable.Range(0, 2).Select(_ => history.Prune(5000, 6, NowMs)));
    }

    [Fact]
    public void Tasks_inside_are_counted_whatever_is_in_them()
    {
        var random = new Random(17);
        var tasks = new TaskRow[200];
        foreach (ref var task in tasks.AsSpan())
        {
            long createdMs = random.NextInt64(1L << random.Next(1, 60));
            task = new TaskRow
            {
                Key = Key(1, random.NextInt64(1L << random.Next(1, 62)), random.Next(300)),
                OccurrenceTo = random.NextInt64(1L << random.Next(1, 62)),
                State = (PlanTaskState)random.Next(2, 6),
                Reason = (SkipReason)random.Next(2),
                CreatedMs = createdMs,
                DueMs = createdMs + random.Next(-1000, 100_000),
                StartedMs = random.Next(2) * random.Next(100_000),
                FinishedMs = createdMs + random.Next(-1000, 100_000),
                Attempts = random.Next(1000),
            };
        }

        for (int count = 0; count <= tasks.Length; count += 40)
        {
            string inside = TestSchema.Inside(tasks[..count]);
            Assert.Equal(count, _schema.Ask<int>($"SELECT count_inside({inside}::bytea)"));
        }

        Assert.Equal(1, _schema.Ask<int>("SELECT count_inside('\\x80')"));
    }

    [Fact]
    public void A_role_that_may_neither_create_nor_drop_tables_adds_drops_and_prunes()
    {
        using var source = _schema.SourceWithoutRights();
        using (var command = source.CreateCommand("CREATE TABLE mine (id integer)"))
            Assert.Throws<PostgresException>(() => command.ExecuteNonQuery());

        var history = new PostgresHistory(source, TimeSpan.FromDays(1));
        history.EnsureRanges(NowMs);
        Assert.Equal("999-1002 1002-1005 1005-1008", Ranges());
        _schema.AddEnded(1, NowMs);
        _schema.AddEnded(2, 1000);
        Assert.Equal(Plan(1), new PostgresReader(source).FindPlan(Plan(1))?.Id);
        Assert.Equal(1, history.Prune(cutoffMs: 1002 * HourMs, rowsMax: 10, nowMs: 1010 * HourMs));
        Assert.Equal(1, history.Prune(cutoffMs: 1002 * HourMs, rowsMax: 10, nowMs: 1010 * HourMs));
        Assert.Equal("1002-1005 1005-1008", Ranges());
    }

    [Fact]
    public void A_drop_that_a_reader_is_in_the_way_of_is_left_for_the_next_time()
    {
        AddThreeRanges();
        _schema.AddEnded(1, 2000);
        var history = History(TimeSpan.FromDays(1));
        using (var connection = _schema.Source.OpenConnection())
        using (var transaction = connection.BeginTransaction())
        using (var command = new NpgsqlCommand("SELECT count(*) FROM plan_history", connection))
        {
            command.ExecuteScalar();
            Assert.Equal(0, history.Prune(cutoffMs: 3000, rowsMax: 10, NowMs));
            Assert.Equal([Plan(1)], Plans());
        }

        Assert.Equal(1, history.Prune(cutoffMs: 3000, rowsMax: 10, NowMs));
        Assert.Empty(Plans());
    }

    private void AddThreeRanges() => _schema.Execute(
        "SELECT add_history_range(first, first + 1000) FROM generate_series(1000, 3000, 1000) AS first");

    private PostgresHistory History(TimeSpan retention) => new(_schema.Source, retention);

    private string Ranges() => _schema.Ask<string>(
        $"""
        SELECT string_agg(first_ms / {HourMs} || '-' || end_ms / {HourMs}, ' ' ORDER BY first_ms) FROM history_range
        """);

    private List<PlanId> Plans()
    {
        var ids = new List<PlanId>();
        using var command = _schema.Source.CreateCommand("SELECT id FROM plan_history ORDER BY id");
        using var rows = command.ExecuteReader();
        while (rows.Read())
            ids.Add(PlanId.From(rows.GetGuid(0)));
        return ids;
    }

    private long Count(UserId user) => _schema.Ask<long>($"SELECT plan_count FROM users WHERE id = '{user}'");
}
