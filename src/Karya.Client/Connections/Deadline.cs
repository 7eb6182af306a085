namespace Karya.Client.Connections;

/// <summary>Until when something may take.</summary>
internal readonly struct Deadline(TimeProvider time, TimeSpan limit)
{
    private readonly long _start = time.GetTimestamp();

    public TimeSpan Limit => limit;

    public TimeSpan Elapsed => time.GetElapsedTime(_start);

    /// <summary>Never negative.</summary>
    public TimeSpan Left
    {
        get
        {
            var left = limit - Elapsed;
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }
}
