using System.Buffers;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Storage;
using Xunit;

namespace Karya.Node.Tests.Storage;

/// <summary>What a journal stream decides to do next, without a store and without a thread.</summary>
public sealed class CommitPipelineTests : IDisposable
{
    private const long Now = 1_800_000_000_000;
    private const int LargeBytes = 256 * 1024;
    private const int PartitionCount = 4;

    private readonly ShardInbox _inbox = new(1_000_000, () => { });
    private readonly Shard _shard;
    private readonly IntakeGate _gate;
    private readonly CommitPipeline _pipeline;
    private readonly OwnedPartitions _owned = new(PartitionCount);
    private int _plans;

    public CommitPipelineTests()
    {
        _shard = new Shard(new ShardOptions(0, PartitionCount, 16, 16, 1000, 1_000_000, 1_000_000), _inbox, Now);
        for (int partition = 0; partition < PartitionCount; partition++)
        {
            _shard.Own(partition, epoch: 7, sequence: 0);
            _owned.Take(partition, 7);
        }

        _shard.Open(Now);
        _gate = new IntakeGate([_inbox]);
        _pipeline = new CommitPipeline([_inbox], _gate, mark => _owned.Covers(mark.Partition, mark.Epoch));
    }

    private bool IsIntakeHeld => !_inbox.TryPost(new Command { Kind = CommandKind.Flush });

    public void Dispose() => _shard.Dispose();

    [Fact]
    public void It_waits_at_first() => Assert.Equal(CommitStep.Idle, _pipeline.Step);

    [Fact]
    public void Chunks_are_written_as_one_row()
    {
        var first = Chunk(0);
        var second = Chunk(1);
        Add(first, second);
        Assert.Equal(CommitStep.Write, _pipeline.Step);
        Assert.Equal([.. first.SealedBytes, .. second.SealedBytes], _pipeline.Row.ToArray());
        Assert.Equal([0, 1], Partitions());
    }

    [Fact]
    public void A_partition_of_several_chunks_is_named_once_per_epoch()
    {
        Add(Chunk(2), Chunk(2), Chunk(3));

        Assert.Equal([2, 3], Partitions());
    }

    [Fact]
    public void A_committed_row_is_durable_and_the_next_one_follows()
    {
        Add(Chunk(0));
        Add(Chunk(1), Chunk(1)); // While the first is written.
        Assert.Equal([0], Partitions());
        Commit();
        Assert.Equal((1L, 1L, 2L), (_pipeline.DurableOf(0), _pipeline.LastOf(0), _pipeline.LastOf(1)));
        Assert.Equal(CommitStep.Write, _pipeline.Step);
        Assert.Equal([1], Partitions());

        Commit();
        Assert.Equal((3L, 2L), (_pipeline.DurableOf(0), _pipeline.LastOf(1)));
        Assert.Equal(CommitStep.Idle, _pipeline.Step);
        Assert.Equal(2, _pipeline.Rows.TakeSuperfluous([3]));
    }

    [Fact]
    public void Rows_are_limited_by_bytes()
    {
        Add([.. Enumerable.Range(0, 12).Select(_ => Chunk(0, LargeBytes))]);
        Assert.InRange(_pipeline.Row.Length, 2 * 1024 * 1024, 2 * 1024 * 1024 + 2 * LargeBytes);

        Commit();
        Assert.Equal(CommitStep.Write, _pipeline.Step);
        Commit();
        Assert.Equal(12, _pipeline.DurableOf(0));
    }

    [Fact]
    public void A_refused_row_is_written_again_after_a_pause_with_intake_held_until_it_is_stored()
    {
        Add(Chunk(0));
        byte[] row = _pipeline.Row.ToArray();
        _pipeline.Answer(CommitResult.Refused, "Full.", null);
        Assert.Equal(CommitStep.Pause, _pipeline.Step);
        Assert.True(IsIntakeHeld);
        Assert.Equal("The journal cannot be written: Full.", _pipeline.Trouble);

        _pipeline.EndPause();
        Assert.Equal(CommitStep.Write, _pipeline.Step);
        Assert.Equal(row, _pipeline.Row.ToArray());
        Assert.True(IsIntakeHeld);
        Assert.Equal(0, _pipeline.DurableOf(0));

        Commit();
        Assert.False(IsIntakeHeld);
        Assert.Null(_pipeline.Trouble);
        Assert.Equal(1, _pipeline.DurableOf(0));
    }

    [Fact]
    public void A_row_that_is_refused_for_good_ends_it()
    {
        Add(Chunk(0));
        _pipeline.Answer(CommitResult.Refused, "No.", "Somebody else writes.");
        Assert.Equal((CommitStep.Stop, "Somebody else writes."), (_pipeline.Step, _pipeline.Trouble));
        Assert.True(IsIntakeHeld);
    }

    [Fact]
    public void After_an_unknown_commit_the_store_is_asked_and_what_it_has_counts()
    {
        Add(Chunk(0));
        _pipeline.Answer(CommitResult.Unknown, "Cut.", null);
        Assert.Equal(CommitStep.Resolve, _pipeline.Step);
        Assert.True(IsIntakeHeld);
        Assert.Equal("Whether the last journal batch is stored is unknown: Cut.", _pipeline.Trouble);
        Assert.Equal(0, _pipeline.DurableOf(0));

        Commit();
        Assert.Equal((CommitStep.Idle, 1L), (_pipeline.Step, _pipeline.DurableOf(0)));
        Assert.False(IsIntakeHeld);
        Assert.Null(_pipeline.Trouble);
        Assert.Equal(1, _pipeline.Rows.TakeSuperfluous([1]));
    }

    [Fact]
    public void After_an_unknown_commit_that_the_store_does_not_have_the_row_is_written_again()
    {
        Add(Chunk(0));
        byte[] row = _pipeline.Row.ToArray();
        _pipeline.Answer(CommitResult.Unknown, "Cut.", null);
        _pipeline.Answer(CommitResult.Refused, "It is not there.", null);
        Assert.Equal(CommitStep.Pause, _pipeline.Step);
        _pipeline.EndPause();
        Assert.Equal(CommitStep.Write, _pipeline.Step);
        Assert.Equal(row, _pipeline.Row.ToArray());
    }

    [Fact]
    public void A_store_that_cannot_say_is_asked_again_after_a_pause_and_nothing_is_written_meanwhile()
    {
        var next = Chunk(1);
        Add(Chunk(0));
        _pipeline.Answer(CommitResult.Unknown, "Cut.", null);
        _pipeline.Answer(CommitResult.Unknown, "Away.", null);
        Add(next);
        Assert.Equal(CommitStep.Pause, _pipeline.Step);
        _pipeline.EndPause();
        Assert.Equal(CommitStep.Resolve, _pipeline.Step);
        Assert.True(IsIntakeHeld);
    }

    [Fact]
    public void A_commit_that_is_unknown_after_the_last_was_resolved_is_asked_about_again()
    {
        Add(Chunk(0));
        _pipeline.Answer(CommitResult.Unknown, "Cut.", null);
        Commit();
        Add(Chunk(1));
        _pipeline.Answer(CommitResult.Unknown, "Cut.", null);

        Assert.Equal(CommitStep.Resolve, _pipeline.Step);
    }

    [Fact]
    public void A_store_that_is_lost_while_it_is_asked_ends_it()
    {
        Add(Chunk(0));
        _pipeline.Answer(CommitResult.Unknown, "Cut.", null);
        _pipeline.Answer(CommitResult.Unknown, "Cut.", "Somebody else writes.");
        Assert.Equal(CommitStep.Stop, _pipeline.Step);
        Assert.True(IsIntakeHeld);
    }

    [Fact]
    public void What_is_lost_is_taken_out_and_the_rest_is_written()
    {
        var lost = Chunk(0);
        var kept = Chunk(1);
        _owned.Lose(0);
        Add(lost, kept);
        Assert.Equal([1], Partitions());

        Commit();
        Assert.Equal((2L, 0L, 1L), (_pipeline.DurableOf(0), _pipeline.LastOf(0), _pipeline.LastOf(1)));
        Assert.Equal(0, _gate.Bytes);
    }

    [Fact]
    public void A_row_that_was_refused_because_of_what_is_lost_is_written_again_at_once_without_it()
    {
        Add(Chunk(0), Chunk(1));
        _owned.Lose(0);
        _pipeline.Answer(CommitResult.Refused, "Not the owner.", null);

        Assert.Equal((CommitStep.Write, 1), (_pipeline.Step, Assert.Single(Partitions())));
    }

    [Fact]
    public void What_is_lost_during_a_pause_is_not_written_after_it()
    {
        Add(Chunk(0), Chunk(1));
        _pipeline.Answer(CommitResult.Refused, "Full.", null);
        _owned.Lose(1);
        _pipeline.EndPause();

        Assert.Equal((CommitStep.Write, 0), (_pipeline.Step, Assert.Single(Partitions())));
    }

    [Fact]
    public void What_was_lost_and_taken_again_is_taken_out_since_it_was_decided_before()
    {
        Add(Chunk(0), Chunk(1));
        _owned.Lose(0);
        _owned.Take(0, 9);
        _pipeline.Answer(CommitResult.Refused, "Not the owner.", null);

        Assert.Equal([1], Partitions());
    }

    [Fact]
    public void What_was_decided_before_the_epoch_was_raised_is_written_as_it_is()
    {
        Add(Chunk(0));
        byte[] row = _pipeline.Row.ToArray();
        _pipeline.Answer(CommitResult.Unknown, "Cut.", null);
        _owned.Raise(0, 8);
        _pipeline.Answer(CommitResult.Refused, "It is not there.", null);
        _pipeline.EndPause();

        Assert.Equal(row, _pipeline.Row.ToArray());
    }

    [Fact]
    public void A_row_of_which_all_is_lost_is_not_written_but_reported()
    {
        var chunk = Chunk(0);
        _owned.Lose(0);
        Add(chunk);
        Assert.Equal((CommitStep.Idle, 1L), (_pipeline.Step, _pipeline.DurableOf(0)));
        Assert.Equal(0, _gate.Bytes);
        Assert.Equal(0, _pipeline.Rows.TakeSuperfluous([1]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_waits_behind_a_row_of_which_all_is_lost_is_written(bool isLostDuringThePause)
    {
        Add(Chunk(0));
        Add(Chunk(1));
        if (!isLostDuringThePause)
            _owned.Lose(0);
        _pipeline.Answer(CommitResult.Refused, "Not the owner.", null);
        if (isLostDuringThePause)
        {
            _owned.Lose(0);
            _pipeline.EndPause();
        }

        Assert.Equal((CommitStep.Write, 1), (_pipeline.Step, Assert.Single(Partitions())));
        Assert.Equal(1, _pipeline.DurableOf(0));
    }

    [Fact]
    public void When_all_that_could_not_be_written_is_lost_there_is_no_trouble_any_more()
    {
        Add(Chunk(0));
        _owned.Lose(0);
        _pipeline.Answer(CommitResult.Refused, "Not the owner.", null);
        Assert.Equal(CommitStep.Idle, _pipeline.Step);
        Assert.Null(_pipeline.Trouble);
        Assert.False(IsIntakeHeld);
    }

    [Fact]
    public void Intake_is_held_above_the_high_mark_and_let_go_below_the_low_one()
    {
        const int count = 72; // 18 MiB; the marks are 16 and 8.
        Add([.. Enumerable.Range(0, count).Select(_ => Chunk(0, LargeBytes))]);
        Assert.True(IsIntakeHeld);
        while (_gate.Bytes > 8 * 1024 * 1024)
        {
            Assert.True(IsIntakeHeld, $"Let go at {_gate.Bytes} bytes.");
            Commit();
        }

        Assert.False(IsIntakeHeld);
    }

    [Fact]
    public void A_stop_during_a_pause_ends_it_with_the_reason_of_the_pause()
    {
        Add(Chunk(0));
        _pipeline.Answer(CommitResult.Refused, "Full.", null);
        _pipeline.Stop();
        Assert.Equal(
            (CommitStep.Stop, "The journal cannot be written: Full."), (_pipeline.Step, _pipeline.Trouble));
        Assert.Equal(0, _pipeline.DurableOf(0));
    }

    [Fact]
    public void A_stop_while_a_row_is_written_lets_that_end()
    {
        Add(Chunk(0));
        _pipeline.Stop();
        Assert.Equal(CommitStep.Write, _pipeline.Step);
        Commit();
        Assert.Equal(1, _pipeline.DurableOf(0));
    }

    private void Add(params JournalChunk[] chunks)
    {
        foreach (var chunk in chunks)
            _gate.Add(chunk.RecordBytes);
        _pipeline.Add(chunks);
    }

    private void Commit() => _pipeline.Answer(CommitResult.Committed, "", null);

    private int[] Partitions() => [.. _pipeline.Partitions.ToArray().Select(mark => mark.Partition)];

    /// <summary>What a turn leaves that takes one plan into a partition.</summary>
    private JournalChunk Chunk(int partition, int bodyBytes = 10)
    {
        var id = new PlanId((ulong)++_plans);
        Assert.True(_inbox.TryPost(new Command
        {
            Kind = CommandKind.Submit,
            Partition = partition,
            Key = new TaskKey(id, 0, 0),
            Payload = ArrayPool<byte>.Shared.Rent(bodyBytes),
            PayloadBytes = bodyBytes,
            Spec = new PlanSpec { Id = id, CreatedMs = Now, FirstDueMs = Now + 60_000, EndMs = PlanSpec.NoEnd },
        }));
        return _shard.Turn(Now).Chunk!;
    }
}
