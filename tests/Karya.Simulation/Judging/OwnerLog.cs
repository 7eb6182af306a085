namespace Karya.Simulation.Judging;

/// <summary>Who had which partition, and how they parted: what explains that something happened twice.</summary>
internal sealed class OwnerLog
{
    private readonly Ledger _ledger;
    private readonly ILookup<int, Tenure> _tenures;
    private readonly Dictionary<int, long> _lastEpochs = [];

    public OwnerLog(Ledger ledger)
    {
        _ledger = ledger;
        _tenures = ledger.Tenures.ToLookup(tenure => tenure.Partition);
        foreach (var tenure in ledger.Tenures)
        {
            _lastEpochs[tenure.Partition] =
                Math.Max(tenure.Epoch, _lastEpochs.GetValueOrDefault(tenure.Partition));
        }
    }

    /// <summary>
    /// An owner between two starts was lost without handing over, or the first one died while it carried out what it
    /// had handed over.
    /// </summary>
    public bool ExplainsAgain(in Start first, in Start again)
    {
        if (_ledger.Crashes.Contains((first.Node, first.Life)))
            return true;
        foreach (var tenure in _tenures[again.Partition])
        {
            if (tenure.Epoch >= first.Epoch && tenure.Epoch < again.Epoch && !tenure.IsClosed)
                return true;
        }

        return false;
    }

    /// <summary>
    /// Whoever began this lost the partition afterwards, and with it perhaps the record that it had begun.
    /// </summary>
    public bool ExplainsForgotten(in Start start)
    {
        foreach (var tenure in _tenures[start.Partition])
        {
            if (tenure.Epoch == start.Epoch)
                return !tenure.IsClosed && tenure.Epoch < _lastEpochs[start.Partition];
        }

        return false;
    }
}
