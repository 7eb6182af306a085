using Karya.Engine.Journal;

namespace Karya.Engine;

/// <summary>
/// What the partitions of a shard share during one turn: the instant, the journal chunk that is being filled, and where
/// the effects go. Everything in a turn happens at the same tick.
/// </summary>
internal sealed class Turn(EffectList effects, CommitQueue commits, int partitionCount)
{
    // Of each partition, the place of its mark in the chunk plus 1; 0 when it has none.
    private readonly int[] _marks = new int[partitionCount];
    private JournalChunk? _chunk;

    public EffectList Effects { get; } = effects;

    public long NowMs { get; private set; }

    /// <summary>The position that this turn's records get in the shard's journal stream.</summary>
    public long Position { get; private set; }

    /// <summary>Records up to this position are durable.</summary>
    public long DurablePosition { get; set; }

    /// <summary>Missed occurrences of cron plans that may still be counted in this turn.</summary>
    public int CronStepsLeft { get; set; }

    public void Begin(long nowMs, long position, JournalChunk chunk)
    {
        NowMs = nowMs;
        Position = position;
        CronStepsLeft = Limits.CronStepsPerTurnMax;
        _chunk = chunk;
        if (chunk.IsEmpty) // Else it goes on filling what Open began.
            Array.Clear(_marks);
    }

    /// <summary>Appends a record to the turn's chunk.</summary>
    public void Append(in Record record, long epoch)
    {
        ref int mark = ref _marks[record.Partition];
        if (mark == 0)
            mark = _chunk!.AddPartition(record.Partition, epoch);
        _chunk!.Append(record, mark - 1);
    }

    /// <summary>
    /// Takes out what was recorded of a partition that the shard has lost: if it comes back within this turn, its
    /// records count on from what the store has.
    /// </summary>
    public void TakeBack(int partition)
    {
        if (_marks[partition] == 0)
            return;
        _chunk!.Remove(mark => mark.Partition == partition);
        Array.Clear(_marks);
        for (int i = 0; i < _chunk.Partitions.Length; i++)
            _marks[_chunk.Partitions[i].Partition] = i + 1;
    }

    /// <summary>
    /// A command concerns another owner: it is passed on, with its payload, or refused. Of the end of an attempt: its
    /// place here has been given back.
    /// </summary>
    public void Decline(in Command command)
    {
        if (command.IsOutcome || command.MayPassOn)
        {
            PassOn(command);
            return;
        }

        ReplyNow(command, ReplyCode.NotOwner);
        Shards.Shard.ReturnPayload(command);
    }

    /// <summary>
    /// The end of an attempt concerns another owner. Its place here has been given back, and must not be once more if
    /// the partition returns and the end with it: no epoch is 0.
    /// </summary>
    public void PassOn(in Command outcome)
    {
        ref var stray = ref Effects.Strays.Add();
        stray = outcome;
        stray.Epoch = 0;
    }

    /// <summary>
    /// Answers with a code when all that is known now is durable: what the answer tells of may be on its way.
    /// </summary>
    public void ReplyWhenKnown(in Command command, ReplyCode code)
    {
        if (command.ReplyTo is not { } target)
            return;
        long position = _chunk!.IsEmpty ? Position - 1 : Position;
        commits.Park(
            position, command.Partition,
            new Reply { Code = code, Plan = command.Key.Plan, Tag = command.Tag, Target = target });
    }

    /// <summary>Answers when this turn's records are durable.</summary>
    public void ReplyWhenDurable(in Command command) => ReplyWhenDurable(command, Position);

    /// <summary>Answers when the records up to a position are durable.</summary>
    public void ReplyWhenDurable(in Command command, long position)
    {
        if (command.ReplyTo is { } target)
        {
            commits.Park(
                position, command.Kind == CommandKind.Flush ? -1 : command.Partition,
                new Reply { Code = ReplyCode.Ok, Plan = command.Key.Plan, Tag = command.Tag, Target = target });
        }
    }

    /// <summary>Answers at once: nothing was done that would have to be durable.</summary>
    public void ReplyNow(in Command command, ReplyCode code)
    {
        if (command.ReplyTo is { } target)
        {
            Effects.Replies.Add() =
                new Reply { Code = code, Plan = command.Key.Plan, Tag = command.Tag, Target = target };
        }
    }
}
