<?php echo 'client 3 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
