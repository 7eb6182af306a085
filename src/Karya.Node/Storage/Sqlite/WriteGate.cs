namespace Karya.Node.Storage.Sqlite;

/// <summary>
/// Who may use the one write connection. The journal goes first, because replies wait for it; what is written behind
/// takes its turn in between.
/// </summary>
internal sealed class WriteGate
{
    /// <summary>
    /// Commits that may pass while somebody else waits. Without a bound a busy journal would stop the projection for
    /// good; four commits of some 100 kB hold about as many changes as one projected batch, so that neither falls
    /// behind.
    /// </summary>
    private const int JournalTurnsMax = 4;

    // A Monitor, not a Lock: somebody has to wait for a signal under it.
    private readonly object _sync = new();
    private bool _taken;
    private int _journalWaiting;
    private int _othersWaiting;
    private int _journalTurns;

    public void EnterForJournal()
    {
        lock (_sync)
        {
            _journalWaiting++;
            while (_taken || (_othersWaiting > 0 && _journalTurns >= JournalTurnsMax))
                Monitor.Wait(_sync);
            _journalWaiting--;
            _journalTurns++;
            _taken = true;
        }
    }

    public void Enter()
    {
        lock (_sync)
        {
            if (_othersWaiting++ == 0)
                _journalTurns = 0;
            while (_taken || (_journalWaiting > 0 && _journalTurns < JournalTurnsMax))
                Monitor.Wait(_sync);
            _othersWaiting--;
            _journalTurns = 0;
            _taken = true;
        }
    }

    public void Leave()
    {
        lock (_sync)
        {
            _taken = false;
            Monitor.PulseAll(_sync);
        }
    }
}
