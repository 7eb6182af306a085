using System.Text;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Npgsql;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage.Postgres;

public sealed class PostgresReaderTests : IDisposable
{
    private readonly TestSchema _schema = new();
    private readonly PostgresReader _reader;

    public PostgresReaderTests() => _reader = new PostgresReader(_schema.Source);

    public void Dispose() => _schema.Dispose();

    [Fact]
    public void Tasks_inside_a_plan_are_listed_between_those_with_rows()
    {
        _schema.AddEnded(1, 9000, tasks: [Task(1, 4), Task(1, 2, 1), Task(1, 2)]);
        _schema.AddTask(Key(1), 5000);
        _schema.AddTask(Key(1, 3), 5000, PlanTaskState.Failure);
        _schema.AddTask(Key(2), 5000);

        TaskKey[] all = [Key(1), Key(1, 2), Key(1, 2, 1), Key(1, 3), Key(1, 4)];
        Assert.Equal(all, Latest(10));
        Assert.Equal(all, Latest(5));
        Assert.Equal(all[2..], Latest(3));
        Assert.Empty(Latest(0));
    }

    [Fact]
    public void Tasks_inside_a_plan_and_those_with_rows_come_by_pages()
    {
        _schema.AddEnded(1, 9000, tasks: [Task(1, 4), Task(1, 2, 1), Task(1, 2)]);
        _schema.AddTask(Key(1), 5000);
        _schema.AddTask(Key(1, 3), 5000, PlanTaskState.Failure);
        _schema.AddTask(Key(1, 5), 5000);

        TaskKey[] all = [Key(1, 5), Key(1, 4), Key(1, 3), Key(1, 2, 1), Key(1, 2), Key(1)];
        for (int take = 1; take <= all.Length; take++)
        {
            var listed = new List<TaskKey>();
            (long, int)? below = null;
            while (_reader.ListTasksBelow(Plan(1), below, take) is { Count: > 0 } page)
            {
                listed.AddRange(page.Select(task => task.Key));
                below = (listed[^1].Occurrence, listed[^1].Hook);
            }

            Assert.Equal(all, listed);
        }
    }

    [Fact]
    public void Plans_of_both_tables_and_all_ranges_come_by_pages()
    {
        _schema.Execute("SELECT add_history_range(5000, 6000), add_history_range(6000, 7000)");
        for (ulong number = 1; number <= 20; number++)
        {
            if (number % 3 == 0)
                _schema.AddPlan(number);
            else
                _schema.AddEnded(number, 4000 + (long)(number % 5) * 800);
        }

        var listed = new List<PlanId>();
        while (_reader.ListPlansBelow(Ann, listed.Count == 0 ? null : listed[^1], 3) is { Count: > 0 } page)
            listed.AddRange(page.Select(plan => plan.Id));
        Assert.Equal(Enumerable.Range(1, 20).Reverse().Select(number => Plan((ulong)number)), listed);
    }

    [Fact]
    public void Results_and_errors_of_all_ranges_are_found()
    {
        _schema.Execute("SELECT add_history_range(5000, 6000), add_history_range(6000, 7000)");
        for (int occurrence = 1; occurrence <= 4; occurrence++)
        {
            _schema.AddTask(Key(1, occurrence), 4500 + occurrence * 700);
            _schema.AddError(Key(1, occurrence), 4500 + occurrence * 700);
        }

        _schema.Execute("UPDATE task_history SET result = convert_to('r' || occurrence, 'UTF8') WHERE occurrence > 1");
        Assert.Null(_reader.FindResult(Key(1)));
        Assert.All([2, 3, 4], occurrence =>
            Assert.Equal($"r{occurrence}", Encoding.UTF8.GetString(_reader.FindResult(Key(1, occurrence))!)));
        Assert.Equal([Key(1, 4), Key(1, 3)], _reader.ListErrorsBelow(Plan(1), null, 2).Select(error => error.Key));
        Assert.Equal([Key(1, 2), Key(1)], _reader.ListErrorsBelow(Plan(1), (3, 0, 1), 9).Select(error => error.Key));
    }

    [Fact]
    public void A_task_inside_a_plan_is_found()
    {
        _schema.AddEnded(1, 9000, tasks: [Task(1, 1), Task(1, 2, 7)]);
        Assert.Equal(Stored(1, 2, 7), _reader.FindTask(Key(1, 2, 7)));
        Assert.Null(_reader.FindTask(Key(1, 2)));
        Assert.Null(_reader.FindTask(Key(2, 2, 7)));
    }

    [Fact]
    public void Tasks_inside_an_ended_plan_with_open_hooks_are_listed()
    {
        _schema.AddPlan(1, state: PlanState.Completed, wakeMs: 5000);
        _schema.Execute($"UPDATE plans SET tasks = {TestSchema.Inside([Task(1, 1)])}");
        Assert.Equal([Stored(1, 1)], _reader.ListTasksBelow(Plan(1), null, 10));
        Assert.Equal(Stored(1, 1), _reader.FindTask(Key(1)));
    }

    [Fact]
    public void Plans_of_both_tables_are_listed_by_pages_newest_first()
    {
        _schema.Execute("SELECT add_history_range(5000, 6000), add_history_range(6000, 7000)");
        _schema.AddPlan(4);
        _schema.AddEnded(5, 5000);
        _schema.AddEnded(2, 6000);
        _schema.AddEnded(3, 9000);
        _schema.AddPlan(1);
        _schema.AddEnded(6, 9000, user: new UserId(99));

        ulong[] newestFirst = [5, 4, 3, 2, 1];
        Assert.Equal(newestFirst.Select(Plan), _reader.ListPlans(Ann, 0, 10).Select(plan => plan.Id));
        Assert.Equal([Plan(4), Plan(3)], _reader.ListPlans(Ann, 1, 2).Select(plan => plan.Id));
        Assert.All(newestFirst, number => Assert.Equal(Plan(number), _reader.FindPlan(Plan(number))?.Id));
    }

    [Fact]
    public void Named_plans_are_loaded_from_both_tables_however_many_they_are()
    {
        for (ulong number = 1; number <= 10; number += 2)
        {
            _schema.AddPlan(number);
            _schema.AddEnded(number + 1, 5000);
        }

        var ids = Enumerable.Range(1, 3000).Select(number => Plan((ulong)number)).Reverse().ToList();
        var loaded = new List<string>();
        _reader.LoadPlans(ids, (id, memo, body) =>
            loaded.Add($"{id.Value & 0xFF} {Encoding.UTF8.GetString(memo)} {Encoding.UTF8.GetString(body)}"));
        Assert.Equal(
            Enumerable.Range(1, 10).Select(number => $"{number} memo{number} body{number}").Order(),
            loaded.Order());
        _reader.LoadPlans([], (_, _, _) => Assert.Fail("Nothing was named."));
    }

    [Fact]
    public void Descendants_are_found_through_history()
    {
        _schema.AddEnded(1, 5000);
        _schema.AddEnded(2, 5000, parent: 1);
        _schema.AddPlan(3, parent: 2);
        _schema.AddPlan(4, parent: 3, state: PlanState.Completed, wakeMs: 7000);
        _schema.AddEnded(5, 5000, parent: 4);
        _schema.AddPlan(6, parent: 5);

        var loaded = new List<PlanId>();
        _reader.LoadPlan(Plan(1), withDescendants: true, (id, _, _) => loaded.Add(id));
        Assert.Equal([Plan(1), Plan(3), Plan(4), Plan(6)], loaded.Order());
    }

    [Fact]
    public void A_ring_of_plans_ends()
    {
        _schema.AddPlan(1, parent: 2);
        _schema.AddPlan(2, parent: 1);
        var loaded = new List<PlanId>();
        _reader.LoadPlan(Plan(1), withDescendants: true, (id, _, _) => loaded.Add(id));
        Assert.Equal([Plan(1), Plan(2)], loaded.Order());
    }

    [Fact]
    public void Due_plans_come_once_each_in_slices_of_time()
    {
        _schema.Execute(
            $"""
            INSERT INTO plans SELECT gen_random_uuid(), '{Ann}', NULL, 1, 0, 1000, 1000, 1000 + (n * 7919) % 20000, '',
              convert_to(((n * 7919) % 20000)::text, 'UTF8'), NULL
            FROM generate_series(0, 19999) AS n
            """);

        var delays = new List<int>();
        _reader.LoadDue(0, long.MaxValue, (_, _, body) => delays.Add(int.Parse(body)));
        Assert.Equal(Enumerable.Range(0, 20000), delays.Order());
        Assert.Equal(4096, delays[..4096].Max() + 1);
        Assert.NotEqual(Enumerable.Range(0, 4096), delays[..4096]);

        delays.Clear();
        _reader.LoadDue(2000, 3000, (_, _, body) => delays.Add(int.Parse(body)));
        Assert.Equal(Enumerable.Range(1000, 1000), delays.Order());
    }

    [Fact]
    public void Due_plans_at_one_instant_and_at_the_ends_of_time_come_once_each()
    {
        _schema.Execute(
            $"""
            INSERT INTO plans SELECT gen_random_uuid(), '{Ann}', NULL, 1, 0, 0, 0, 5000, '', '', NULL
            FROM generate_series(1, 5000)
            """);
        _schema.AddPlan(1, wakeMs: 0);
        _schema.AddPlan(2, wakeMs: long.MaxValue - 1);
        int count = 0;
        _reader.LoadDue(long.MinValue, long.MaxValue, (_, _, _) => count++);
        Assert.Equal(5002, count);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 65_536)]
    [InlineData(65_530, 1)]
    [InlineData(300_000, 300_000)]
    public void A_due_plan_may_be_larger_than_the_buffer(int memoBytes, int bodyBytes)
    {
        _schema.AddPlan(1, wakeMs: 1);
        _schema.Execute(
            $"UPDATE plans SET memo = convert_to(repeat('m', {memoBytes}), 'UTF8'), "
            + $"body = convert_to(repeat('b', {bodyBytes}), 'UTF8')");
        _schema.AddPlan(2, wakeMs: 2);

        var loaded = new List<(PlanId, string, string)>();
        _reader.LoadDue(0, 10, (id, memo, body) =>
            loaded.Add((id, Encoding.UTF8.GetString(memo), Encoding.UTF8.GetString(body))));
        Assert.Equal(
            [(Plan(1), new string('m', memoBytes), new string('b', bodyBytes)), (Plan(2), "memo2", "body2")], loaded);
    }

    [Fact]
    public void A_reader_that_throws_in_the_middle_leaves_a_usable_store()
    {
        for (ulong number = 1; number <= 10; number++)
            _schema.AddPlan(number, wakeMs: 1);
        for (int round = 0; round < 10; round++)
        {
            Assert.Throws<StoreException>(() =>
                _reader.LoadDue(0, 10, (_, _, _) => throw new StoreException("enough")));
        }

        _reader.Ping();
        Assert.Equal("on on", _schema.Ask<string>(
            "SELECT current_setting('enable_sort') || ' ' || current_setting('enable_indexscan')"));
    }

    [Fact]
    public void A_range_that_was_empty_when_a_question_was_prepared_is_searched_by_its_index_when_it_is_full()
    {
        _schema.Execute("SELECT add_history_range(5000, 6000)");
        using var connection = _schema.Source.OpenConnection();
        using var prepare = new NpgsqlCommand(
            $"""
            SET plan_cache_mode = force_generic_plan;
            PREPARE task (uuid) AS SELECT * FROM task_history WHERE plan_id = $1;
            EXECUTE task ('{Plan(1)}')
            """,
            connection);
        prepare.ExecuteNonQuery();
        using var explain = new NpgsqlCommand($"EXPLAIN EXECUTE task ('{Plan(1)}')", connection);
        using var lines = explain.ExecuteReader();
        while (lines.Read())
            Assert.DoesNotContain("Seq Scan", lines.GetString(0), StringComparison.Ordinal);
    }

    [Fact]
    public void A_question_that_only_a_whole_table_can_answer_is_not_compiled_for_it()
    {
        using var connection = _schema.Source.OpenConnection();
        using var explain = new NpgsqlCommand("EXPLAIN ANALYZE SELECT * FROM errors WHERE text = ''", connection);
        using var lines = explain.ExecuteReader();
        while (lines.Read())
            Assert.DoesNotContain("JIT", lines.GetString(0), StringComparison.Ordinal);
    }

    [Fact]
    public void Text_that_is_no_utf8_is_shown_as_far_as_it_goes()
    {
        _schema.Execute($"INSERT INTO errors VALUES ('{Plan(1)}', 1, 0, 1, 5000, '\\x6100ff62')");
        Assert.Equal("a\0\uFFFDb", Assert.Single(_reader.ListErrorsBelow(Plan(1), null, 10)).Text);
    }

    [Fact]
    public void A_name_of_any_length_is_found_and_only_the_exact_one()
    {
        string name = new('n', 10_000);
        _schema.AddUser(Ann, name, 3);
        Assert.Equal(name, _reader.FindUser(name)?.Name);
        Assert.Null(_reader.FindUser(name[1..]));
        Assert.Equal(3, _reader.CountPlans(Ann));
        Assert.Null(_reader.CountPlans(new UserId(99)));
    }

    [Fact]
    public void Dead_letters_of_all_ranges_come_in_one_order()
    {
        _schema.Execute("SELECT add_history_range(5000, 6000), add_history_range(6000, 7000)");
        _schema.AddTask(Key(2), 5000, PlanTaskState.Failure);
        _schema.AddTask(Key(3), 6000, PlanTaskState.Failure);
        _schema.AddTask(Key(1), 6500, PlanTaskState.Failure);
        _schema.AddTask(Key(4), 9000, PlanTaskState.Failure);
        _schema.AddTask(Key(5), 9000);
        Assert.Equal([Key(4), Key(3)], _reader.ListDead(null, 2).Select(task => task.Key));
        Assert.Equal([Key(2), Key(1)], _reader.ListDead(Key(3), 9).Select(task => task.Key));
    }

    /// <summary>The latest tasks of the plan, oldest first.</summary>
    private IEnumerable<TaskKey> Latest(int take) =>
        _reader.ListTasksBelow(Plan(1), null, take).Reverse<StoredTask>().Select(task => task.Key);

    private static StoredTask Stored(ulong plan, long occurrence, int hook = 0) => new(
        Key(plan, occurrence, hook), PlanTaskState.Success, SkipReason.None, occurrence, CreatedMs: 2000, DueMs: 3000,
        StartedMs: 3000, FinishedMs: 4000, Attempts: 1, ResultBytes: null);

    private static TaskRow Task(ulong plan, long occurrence, int hook = 0) => new()
    {
        Key = Key(plan, occurrence, hook),
        State = PlanTaskState.Success,
        OccurrenceTo = occurrence,
        CreatedMs = 2000,
        DueMs = 3000,
        StartedMs = 3000,
        FinishedMs = 4000,
        Attempts = 1,
    };
}
