-- Orthanc sends what it receives to dicom-node, and dicom-node sends its results back here.
-- orthanc.json: "LuaScripts": ["autoroute.lua"], "StableAge": 5,
--               "DicomModalities": {"dicom-node": ["DICOM_NODE", "127.0.0.1", 11112]}
-- The node:     DICOM_NODE_DESTINATIONS=ORTHANC@127.0.0.1:4242
--
-- What came from the node, and what was sent already, is not sent again: results that come in make the study
-- stable a second time. When the node is away the study is sent with the next one that becomes stable for it;
-- autoroute.py tries again by itself.

NODE_AET = 'DICOM_NODE'
SENT = '/metadata/4242'   -- user-defined metadata start at 1024

function MetadataOf(instance, name)
  return RestApiGet('/instances/' .. instance .. name)
end

function OnStableStudy(studyId, tags, metadata)
  local unsent = {}
  for _, instance in pairs(ParseJson(RestApiGet('/studies/' .. studyId .. '/instances'))) do
    local known = RestApiGet('/instances/' .. instance['ID'] .. '/metadata')
    local isSent = string.find(known, '"4242"', 1, true)
    local fromNode = string.find(known, 'RemoteAET', 1, true) and
      MetadataOf(instance['ID'], '/metadata/RemoteAET') == NODE_AET
    if not isSent and not fromNode then
      table.insert(unsent, instance['ID'])
    end
  end
  if #unsent == 0 then
    return
  end
  local order = { Resources = unsent, Synchronous = true }
  local answer = RestApiPost('/modalities/dicom-node/store', DumpJson(order, true))
  if answer == nil or answer == '' then
    print('dicom-node did not take study ' .. studyId)
    return
  end
  for _, instance in ipairs(unsent) do
    RestApiPut('/instances/' .. instance .. SENT, 'sent')
  end
end
