namespace Karya.Benchmarks.Layouts;

/// <summary>One life of a one-time plan. Bytes are offsets into <see cref="LifeSource.Noise"/>.</summary>
internal struct Life
{
    public Guid Id;
    public Guid User;

    /// <summary>The same user as a number that a table of users would give out.</summary>
    public int UserNumber;

    public short Partition;
    public long CreatedMs;
    public long EndedMs;
    public int Body;
    public int WaitingMemo;
    public int FinalMemo;
}
